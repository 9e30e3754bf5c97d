package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// otherThanKafka is why the versions of some requests are not those of Apache Kafka.
var otherThanKafka = map[string][]int16{
	"both announce versions from 0 on, without which some clients take a broker for one that cannot compress, and serve those from 3 on": {0},
	"there is no SASL":                             {17, 36},
	"there are no delegation tokens":               {38, 39, 40, 41},
	"there are no credentials of SCRAM":            {50, 51},
	"there are no ACLs":                            {29, 30, 31},
	"there are no quotas":                          {48, 49},
	"voters are those of controller.quorum.voters": {80, 81},
	"there are no streams groups (KIP-1071)":       {88, 89},
}

// docs/protocol.md lists what this broker answers; REWRITE=1 writes its table anew.
func TestTheDocumentedProtocolIsTheOneSpoken(t *testing.T) {
	const begin, end = "<!-- written by TestTheDocumentedProtocolIsTheOneSpoken -->\n", "<!-- end -->\n"
	table := (&Broker{forwarding: &forwarding{kinds: map[int16]bool{}}}).apis()
	var list, missing strings.Builder
	list.WriteString("| key | request | versions | listeners | file |\n|---:|---|---|---|---|\n")
	kafkas := kafkasVersions(t)
	reason, differs := map[int16]string{}, map[string][]string{}
	for why, keys := range otherThanKafka {
		for _, key := range keys {
			reason[key] = why
		}
	}
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		a, ok := table.Lookup(key)
		kafka, has := kafkas[key]
		if own := [2]int16{a.MinVersion, a.MaxVersion}; has && (!ok || own != kafka) || !has && ok && a.Listeners&protocol.BrokerListener != 0 {
			require.NotEmpty(t, reason[key], "%s is %v here and %v in Apache Kafka: otherThanKafka says why", kmsg.NameForKey(key), own, kafka)
			differs[reason[key]] = append(differs[reason[key]], kmsg.NameForKey(key))
		} else {
			require.Empty(t, reason[key], "%s is as in Apache Kafka", kmsg.NameForKey(key))
		}
		if !ok {
			fmt.Fprintf(&missing, "%s (%d), ", kmsg.NameForKey(key), key)
			continue
		}
		versions := fmt.Sprintf("%d to %d", a.MinVersion, a.MaxVersion)
		if a.MinVersion == a.MaxVersion {
			versions = fmt.Sprint(a.MinVersion)
		}
		var listeners []string
		for kind, name := range []string{"clients", "controllers"} {
			if a.Listeners&[]protocol.ListenerKinds{protocol.BrokerListener, protocol.ControllerListener}[kind] != 0 {
				listeners = append(listeners, name)
			}
		}
		files, err := filepath.Glob(fmt.Sprintf("api%02d_*.go", key))
		require.NoError(t, err)
		require.Len(t, files, 1, "%s has a file of its own", kmsg.NameForKey(key))
		fmt.Fprintf(&list, "| %d | %s | %s | %s | [%s](../broker/%[5]s) |\n", key, kmsg.NameForKey(key), versions, strings.Join(listeners, ", "), files[0])
	}
	want := begin + list.String() + "\nNot answered: " + strings.TrimSuffix(missing.String(), ", ") + ".\n\n"
	want += "Otherwise than in Apache Kafka " + apachekafka.Version + ", of what it tells clients that it answers:\n\n"
	for _, why := range env.SortedKeys(differs) {
		want += "- " + strings.Join(differs[why], ", ") + ": " + why + ".\n"
	}
	want += end

	const page = "../docs/protocol.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "%s has no line %q", page, begin)
	was, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", page, end)
	if os.Getenv("REWRITE") != "" {
		require.NoError(t, os.WriteFile(page, []byte(before+want+after), 0o644))
		return
	}
	require.Equal(t, want, begin+was+end, "REWRITE=1 go test ./broker -run TestTheDocumentedProtocol writes it anew")
}
