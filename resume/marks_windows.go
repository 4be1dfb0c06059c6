package resume

import (
	"errors"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// marksOf returns the marks of the file at path, which fi describes. Only an
// open file tells all of them.
func marksOf(path string, _ fs.FileInfo) (m marks, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return marksOfOpen(f)
}

// marksOfOpen returns the marks of an open file.
func marksOfOpen(f *os.File) (m marks, err error) {
	h := windows.Handle(f.Fd())
	var is windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &is); err != nil {
		return m, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	// FILE_BASIC_INFO: made, read, written and changed in 100 ns, attributes.
	var basic [5]uint64
	err = windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&basic)), uint32(unsafe.Sizeof(basic)))
	if err != nil {
		return m, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return marks{
		uint64(is.FileSizeHigh)<<32 | uint64(is.FileSizeLow),
		basic[2], basic[3],
		uint64(is.VolumeSerialNumber), uint64(is.FileIndexHigh)<<32 | uint64(is.FileIndexLow),
	}, nil
}
