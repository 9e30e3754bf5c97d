package apachekafka

import (
	"context"
	"os"
	"os/exec"
	"time"
)

// Enabled is the variable of the environment without which ForTest skips. "make
// java" sets it.
const Enabled = "WEIR_JAVA"

// fetchPatience is how long Maven may take.
const fetchPatience = 5 * time.Minute

// TB is what ForTest needs of testing.TB.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatal(args ...any)
}

// ForTest is the jars of Version. The test is skipped if WEIR_JAVA is not set, or
// Java or Maven is missing.
func ForTest(t TB) Jars {
	t.Helper()
	if os.Getenv(Enabled) == "" {
		t.Skipf("runs Apache Kafka's own programs: \"make java\" does, or set %s=1", Enabled)
	}
	for _, tool := range []string{"javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs a JDK and Maven (Debian: default-jdk-headless maven): %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchPatience)
	defer cancel()
	jars, err := Fetch(ctx, Version)
	if err != nil {
		t.Fatal(err)
	}
	return jars
}
