package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// calls are the lines of the files here that call weir, with their arguments.
func calls(t *testing.T) map[string][]string {
	t.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	var job struct {
		ContainerProperties struct{ Command []string }
	}
	require.NoError(t, json.Unmarshal([]byte(read("aws-batch/job-definition.json")), &job))
	var pod struct {
		Spec struct {
			Completions int
			Template    struct {
				Spec struct {
					Containers []struct {
						Args []string
						Env  []struct{ Name, Value string }
					}
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(strings.Split(read("kubernetes/campaign.yaml"), "\n---\n")[0]), &pod))
	c := pod.Spec.Template.Spec.Containers[0]
	require.Equal(t, "WEIR_SHARDS", c.Env[0].Name)
	require.Equal(t, "20", c.Env[0].Value)
	require.Equal(t, 20, pod.Spec.Completions, "as many shards as completions")
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Run string } }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read("github/nightly.yml")), &workflow))
	all := map[string][]string{
		"aws-batch":  job.ContainerProperties.Command,
		"kubernetes": c.Args,
		"slurm":      strings.Fields(regexp.MustCompile(`(?s)exec .*`).FindString(read("slurm/campaign.sbatch")))[2:],
	}
	for name, j := range workflow.Jobs {
		for _, step := range j.Steps {
			if rest, ours := strings.CutPrefix(step.Run, "bin/weir "); ours {
				all["github "+name] = append(all["github "+name], strings.Fields(rest)...)
			}
		}
	}
	return all
}

func TestWhatManifestsAskForExists(t *testing.T) {
	weir := build(t)
	help := command(t, ".", weir, "campaign", "--help") + command(t, ".", weir, "merge", "--help")
	flag := regexp.MustCompile(`^--[a-z-]+`)
	campaigns := 0
	for where, args := range calls(t) {
		for i, arg := range args {
			if name := flag.FindString(arg); name != "" {
				require.Regexp(t, regexp.QuoteMeta(name)+`\b`, help, where)
			}
			if arg == "campaign" {
				campaigns++
				require.Contains(t, strings.Join(args[i:], " "), "--shard auto", "%s: every shard would do the same", where)
				require.Contains(t, strings.Join(args[i:], " "), "--campaign", where)
			}
		}
	}
	require.GreaterOrEqual(t, campaigns, 3)
}
