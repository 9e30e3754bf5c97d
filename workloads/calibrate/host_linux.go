package calibrate

import (
	"bufio"
	"os"
	"strings"
	"syscall"
)

// host is what a profile says of the machine, without its name.
type host struct {
	processor, kernel string
	memoryBytes       int64
}

func describeHost() host {
	h := host{processor: "unknown processor", kernel: "Linux"}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				h.processor = strings.Join(strings.Fields(value), " ")
				break
			}
		}
		_ = f.Close()
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		// Major and minor version: what comes behind names a build, not a kernel.
		if parts := strings.SplitN(strings.TrimSpace(string(release)), ".", 3); len(parts) > 1 {
			h.kernel = "Linux " + parts[0] + "." + parts[1]
		}
	}
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		h.memoryBytes = int64(info.Totalram) * int64(info.Unit) //nolint:unconvert // the fields differ between architectures
	}
	return h
}
