package apachekafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Version is the release of Apache Kafka that Weir is measured by.
const Version = "4.3.1"

// Jars are the jars of one version of Apache Kafka and all that they need, and the
// Java that runs them.
type Jars struct {
	// Dir is the directory of the jars, as "libs" of a distribution is.
	Dir  string
	java string
}

// Open is the jars in a directory: "libs" of a distribution.
func Open(dir string) (Jars, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return Jars{}, fmt.Errorf("apache kafka: a JDK is needed (Debian: default-jdk-headless): %w", err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "kafka-clients-*.jar")); err != nil || len(found) == 0 {
		return Jars{}, fmt.Errorf("apache kafka: %s holds no kafka-clients-*.jar; it has to be the directory \"libs\" of a distribution", dir)
	}
	return Jars{Dir: dir, java: java}, nil
}

// Fetch is the jars of a version. What Maven has brought once is kept in the
// user's cache.
func Fetch(ctx context.Context, version string) (Jars, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Jars{}, err
	}
	pom := fmt.Appendf(nil, pom, version)
	dir := filepath.Join(cache, "weir", "apache-kafka-"+version)
	libs := filepath.Join(dir, fmt.Sprintf("libs-%.4x", sha256.Sum256(pom)))
	if _, err := os.Stat(libs); err == nil {
		return Open(libs)
	}
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return Jars{}, fmt.Errorf("apache kafka: Maven (Debian: maven) fetches the jars of %s; or name the directory \"libs\" of a distribution: %w", version, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Jars{}, err
	}
	fresh, err := os.MkdirTemp(dir, "fetched-") // others may fetch too
	if err != nil {
		return Jars{}, err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	file := filepath.Join(fresh, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return Jars{}, err
	}
	var text bytes.Buffer
	cmd := exec.CommandContext(ctx, maven, "-q", "-B", "-f", file, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(fresh, "libs"))
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return Jars{}, fmt.Errorf("apache kafka: jars of %s: mvn dependency:copy-dependencies: %w: %s", version, err, strings.TrimSpace(text.String()))
	}
	if err := os.Rename(filepath.Join(fresh, "libs"), libs); err != nil && !errors.Is(err, fs.ErrExist) {
		return Jars{}, err
	}
	return Open(libs)
}

// Command is the command that runs a class of the jars, or a .java file on them
// (which needs a JDK, not only a runtime).
func (j Jars) Command(class string, args ...string) *exec.Cmd {
	return j.CommandContext(context.Background(), class, args...)
}

// CommandContext is Command; the process is killed when ctx ends.
func (j Jars) CommandContext(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, j.java, append(append(j.options(), class), args...)...)
}

// options are those of the virtual machine: the quick compiler alone, since most
// programs end before the other one has paid for itself.
func (j Jars) options() []string {
	return []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(j.Dir, "*")}
}

// pom asks for what a distribution has in "libs".
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>weir</groupId><artifactId>apache-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-streams</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-file</artifactId><version>%[1]s</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
`
