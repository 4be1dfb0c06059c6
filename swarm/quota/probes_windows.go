package quota

import (
	"context"
	"unsafe"

	"golang.org/x/sys/windows"
)

// System are the probes of this system. What is metered only COM could tell.
func System(func(string) string) Probes { return Probes{Battery: battery} }

// battery asks the kernel.
func battery(context.Context) bool {
	var status struct { // SYSTEM_POWER_STATUS
		line, battery, percent, saver byte
		left, full                    uint32
	}
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")
	if call.Find() != nil {
		return false
	}
	ok, _, _ := call.Call(uintptr(unsafe.Pointer(&status)))
	return ok != 0 && offMains(status.line, status.battery)
}
