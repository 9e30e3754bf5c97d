package apachekafka

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// heap is what each broker has.
const heap = "512m"

// Format prepares the directories that a server.properties names, as
// kafka-storage.sh format does. clusterID is a UUID in Kafka's base64.
func (j Jars) Format(properties, clusterID string) error {
	if text, err := j.Command("kafka.tools.StorageTool", "format", "--cluster-id", clusterID, "--config", properties).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting the directories of %s with the jars of %s: %w: %s", properties, j.Dir, err, strings.TrimSpace(string(text)))
	}
	return nil
}

// Broker is the command that runs a node: broker, controller or both, as its
// server.properties says.
func (j Jars) Broker(properties string) *exec.Cmd {
	return exec.Command(j.java, "-Xmx"+heap, "-Xms"+heap, "-cp", filepath.Join(j.Dir, "*"), "kafka.Kafka", properties)
}
