package report

import (
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// enableANSI has the console behind w understand control sequences, which on
// Windows a program must ask for. It returns how to undo that, and whether the
// console does.
func enableANSI(w io.Writer) (restore func(), ok bool) {
	file, isFile := w.(*os.File)
	if !isFile {
		return func() {}, false
	}
	console := windows.Handle(file.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return func() {}, false
	}
	if err := windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING); err != nil {
		return func() {}, false
	}
	// Undoing it fails only when the console is gone.
	return func() { _ = windows.SetConsoleMode(console, mode) }, true
}
