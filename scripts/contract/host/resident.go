package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// resident is the memory of a process by Linux's proc(5), in bytes; 0 elsewhere.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// residentGroup adds up the processes of a group that have this name.
func residentGroup(group int, name string) int64 {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	sum := int64(0)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PARENT GROUP …
		head, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 3 || fields[2] != strconv.Itoa(group) || !strings.HasSuffix(head, "("+name) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Fields(head)[0]); err == nil {
			sum += resident(pid)
		}
	}
	return sum
}
