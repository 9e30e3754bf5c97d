package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// docs/protocol.md lists what this broker answers; REWRITE=1 writes its table anew.
func TestTheDocumentedProtocolIsTheOneSpoken(t *testing.T) {
	const begin, end = "<!-- written by TestTheDocumentedProtocolIsTheOneSpoken -->\n", "<!-- end -->\n"
	table := (&Broker{forwarding: &forwarding{kinds: map[int16]bool{}}}).apis()
	var list, missing strings.Builder
	list.WriteString("| key | request | versions | listeners | file |\n|---:|---|---|---|---|\n")
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		a, ok := table.Lookup(key)
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
	want := begin + list.String() + "\nNot answered: " + strings.TrimSuffix(missing.String(), ", ") + ".\n" + end

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
