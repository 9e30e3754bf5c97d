package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/target"
)

type brokerFlags struct {
	nodes      int
	nodeID     int32
	listen     string
	controller string
	advertise  string
	voters     []string
	data       []string
	rack       string
	set        []string
	config     string
	settings   bool
	events     string
	plant      []string
}

func brokerCommand(s streams) *cobra.Command {
	var f brokerFlags
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run a broker, or a whole cluster in one process, for real clients",
		Example: "  weir broker --nodes 3 --data /var/lib/weir\n" +
			"  weir broker --node-id 1 --listen 10.0.0.1:9092 --voters 1@10.0.0.1:9093,2@10.0.0.2:9093,3@10.0.0.3:9093 --data /var/lib/weir",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.settings {
				_, err := fmt.Fprintf(s.out, "Settings of brokers\n\n%s\nSettings of topics\n\n%s\nSettings of groups\n\n%s", config.Table(config.BrokerSettings()), config.Table(config.TopicSettings()), config.Table(config.GroupSettings()))
				return err
			}
			return runBrokers(cmd.Context(), s, f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.nodes, "nodes", 1, "how many brokers to run in this process; they listen on --listen and the ports after it, and if there are several, their controllers on the ports after those")
	flags.Int32Var(&f.nodeID, "node-id", 1, "node.id of the (first) broker")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9092", "host:port of the (first) broker")
	flags.StringVar(&f.advertise, "advertise", "", "host:port that clients are told, if it is not --listen (one broker only)")
	flags.StringSliceVar(&f.voters, "voters", nil, "members of the metadata quorum as id@host:port,… of their controllers; by default the brokers of this process")
	flags.StringVar(&f.controller, "controller-listen", "", "host:port of the broker's controller, if it is not its address in --voters (one broker only)")
	flags.StringSliceVar(&f.data, "data", nil, "directory for logs and metadata, or several with commas between, each perhaps on a disk of its own (required)")
	flags.StringVar(&f.rack, "rack", "", "broker.rack")
	flags.StringArrayVar(&f.set, "set", nil, "a broker setting by its Kafka name, as name=value; may be repeated, and wins over --config")
	flags.StringVar(&f.config, "config", "", "a file of broker settings, one name=value a line, as Kafka's server.properties")
	flags.BoolVar(&f.settings, "settings", false, "print every setting that brokers, topics and groups have, and end")
	flags.StringVar(&f.events, "events", "", "append elections, truncations and the like to this file, as JSON lines, and every second what the brokers have done and used")
	flags.StringSliceVar(&f.plant, "plant", nil, "plant a bug in the brokers, such as S1 (needs a build made by \"make faultbuild\")")
	return cmd
}

// runBrokers runs until it is told to stop or a broker fails.
func runBrokers(ctx context.Context, s streams, f brokerFlags) error {
	configs, err := brokerConfigs(f)
	if err != nil {
		return err
	}
	if _, err := faults.Plant(f.plant); err != nil {
		return err
	}
	events, err := openEventLog(f.events)
	if err != nil {
		return err
	}
	if events != nil {
		defer func() { _ = events.file.Close() }()
	}
	troubles := newTroubles(s.err)
	tell := func(node string, at time.Duration, name string, attrs []env.Attr) {
		events.write(node, at, name, attrs)
		troubles.write(node, at, name, attrs)
	}
	usage := &usageLog{events: events}
	defer usage.tell() // when the brokers have stopped
	var running []*broker.Broker
	defer func() {
		// Brokers stop side by side: leaders can move only while others live.
		var wg sync.WaitGroup
		for _, b := range running {
			wg.Go(func() {
				if err := b.Stop(); err != nil {
					_, _ = fmt.Fprintf(s.err, "weir: stopping %s: %v\n", b.Addr(), err)
				}
			})
		}
		wg.Wait()
	}()
	broken := make(chan error, len(configs))
	most := clientConnections(descriptors(), len(configs))
	for _, cfg := range configs {
		cfg.MaxConnections = min(cfg.MaxConnections, most)
		name := "broker-" + strconv.Itoa(int(cfg.NodeID))
		root, err := f.place(&cfg, name)
		if err != nil {
			return err
		}
		e, err := osenv.New(osenv.Options{Root: root, Node: name, OnEvent: tell})
		if err != nil {
			return internal(err)
		}
		b, err := broker.Start(e, cfg)
		if err != nil {
			return internal(err)
		}
		running = append(running, b)
		usage.envs = append(usage.envs, e)
		_, _ = fmt.Fprintf(s.out, "broker %d serves on %s, data in %s\n", cfg.NodeID, b.Addr(), strings.Join(f.dataOf(name), ", "))
		go func() {
			b.Failed().Wait(env.Forever)
			broken <- b.Err()
		}()
	}
	ticks := time.NewTicker(usageEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			usage.tell()
			if len(usage.envs) > 0 {
				troubles.flush(usage.envs[0].Now())
			}
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return internal(err)
		}
	}
}

// dataOf are a broker's directories.
func (f *brokerFlags) dataOf(name string) []string {
	if f.nodes == 1 {
		return f.data
	}
	var dirs []string
	for _, dir := range f.data {
		dirs = append(dirs, filepath.Join(dir, name))
	}
	return dirs
}

// place gives a broker its directories and returns the root of its file system:
// the only directory, or that of the system, below which all of them are.
func (f *brokerFlags) place(cfg *broker.Config, name string) (root string, err error) {
	dirs := f.dataOf(name)
	if len(dirs) == 1 && !filepath.IsAbs(cfg.MetadataDir) {
		return dirs[0], nil
	}
	root = filepath.VolumeName(dirs[0]) + string(filepath.Separator)
	whole := func(dir string) string {
		abs, aerr := filepath.Abs(dir)
		if rest, ok := strings.CutPrefix(abs, filepath.VolumeName(root)); ok && aerr == nil {
			return filepath.ToSlash(rest)
		}
		err = errors.Join(err, aerr, fmt.Errorf("--data: %s is not below %s; several directories have to be on one volume of the system", dir, root))
		return dir
	}
	cfg.Dirs = nil
	for _, dir := range dirs {
		cfg.Dirs = append(cfg.Dirs, whole(dir))
	}
	if cfg.MetadataDir != "" {
		if cfg.MetadataDir = whole(cfg.MetadataDir); f.nodes > 1 {
			cfg.MetadataDir += "/" + name
		}
	}
	return root, errors.Join(err, cfg.Check())
}

// clientConnections is how many connections of clients each of so many brokers
// may have when they may have so many descriptors between them. A log that finds
// none left fails, and its broker with it, so a part is kept for files; and of
// the others a part is left to controllers.
func clientConnections(descriptors, brokers int) int {
	files := max(descriptors/4, min(descriptors/2, 2048))
	return max(1, (descriptors-files)/4*3/brokers)
}

// usageEvery is how often brokers tell what they have used.
const usageEvery = time.Second

// usageLog tells in the event log what the brokers of this process have done
// and used, for whoever runs them to measure them. The processor time is that
// of the whole process.
type usageLog struct {
	events *eventLog
	envs   []*osenv.Env
}

func (u *usageLog) tell() {
	if u.events == nil {
		return
	}
	for _, e := range u.envs {
		u.events.write(e.NodeName(), e.Now(), osenv.UsageEvent, e.Usage().Attrs())
	}
}

// brokerConfigs makes the configuration of each broker of this process.
func brokerConfigs(f brokerFlags) ([]broker.Config, error) {
	if len(f.data) == 0 {
		return nil, errors.New("--data is missing; name a directory for logs and metadata")
	}
	if f.nodes < 1 || f.nodes > 99 {
		return nil, fmt.Errorf("--nodes %d is not possible; use 1 to 99", f.nodes)
	}
	if f.nodes > 1 && (f.advertise != "" || f.controller != "" || len(f.voters) > 0) {
		return nil, errors.New("--advertise, --controller-listen and --voters are for one broker per process; leave out --nodes")
	}
	host, portText, err := net.SplitHostPort(f.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not host:port: %w", f.listen, err)
	}
	port, err := strconv.Atoi(portText)
	ports := f.nodes // of brokers, and of controllers that others must reach
	if f.nodes > 1 {
		ports *= 2
	}
	if err != nil || port < 1 || port+ports-1 > 65535 {
		return nil, fmt.Errorf("--listen %q: ports are numbers from 1 to 65535, and this needs %d in a row", f.listen, ports)
	}
	voters, err := broker.ParseVoters(strings.Join(f.voters, ","))
	if err != nil {
		return nil, fmt.Errorf("--voters: %w", err)
	}
	var configs []broker.Config
	for i := range f.nodes {
		cfg := broker.DefaultConfig()
		cfg.DefaultReplicationFactor = int16(min(3, f.nodes))
		if err := f.giveSettings(&cfg); err != nil {
			return nil, err
		}
		cfg.NodeID = f.nodeID + int32(i)
		cfg.Listen = net.JoinHostPort(host, strconv.Itoa(port+i))
		cfg.Advertise, cfg.ControllerListen, cfg.Rack, cfg.Voters = f.advertise, f.controller, f.rack, voters
		configs = append(configs, cfg)
	}
	if len(voters) == 0 {
		for i, cfg := range configs {
			voters = append(voters, broker.Voter{ID: cfg.NodeID, Host: host, Port: int32(port + ports - f.nodes + i)})
		}
	}
	for i := range configs {
		configs[i].Voters = voters
		configs[i].OffsetsReplicationFactor = min(configs[i].OffsetsReplicationFactor, int16(len(voters)))
		if err := configs[i].Check(); err != nil {
			return nil, err
		}
	}
	return configs, nil
}

// byFlags are the settings that flags of their own give.
var byFlags = map[string]string{
	"advertised.listeners": "--advertise", "broker.rack": "--rack", "controller.quorum.voters": "--voters",
	"listeners": "--listen", "log.dirs": "--data", "node.id": "--node-id",
}

// giveSettings gives a broker the settings of --config and then those of --set.
func (f *brokerFlags) giveSettings(cfg *broker.Config) error {
	give := func(name, value string) error {
		if flag := byFlags[name]; flag != "" {
			return fmt.Errorf("%s is given by %s", name, flag)
		}
		return cfg.Set(name, value)
	}
	if f.config != "" {
		text, err := os.ReadFile(f.config)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == '!' {
				continue
			}
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				return fmt.Errorf("%s:%d: write %q as name=value", f.config, i+1, line)
			}
			if err := give(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
				return fmt.Errorf("%s:%d: %w", f.config, i+1, err)
			}
		}
	}
	for _, text := range f.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--set %q: write it as name=value", text)
		}
		if err := give(name, value); err != nil {
			return fmt.Errorf("--set: %w", err)
		}
	}
	return nil
}

// eventLog appends what brokers tell to a file, for whoever watches this
// process from outside. Lines carry wall time, which processes of one machine
// share.
type eventLog struct {
	mu   sync.Mutex
	file *os.File
	enc  *json.Encoder
}

func openEventLog(name string) (*eventLog, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--events: %w", err)
	}
	return &eventLog{file: f, enc: json.NewEncoder(f)}, nil
}

func (l *eventLog) write(node string, _ time.Duration, name string, attrs []env.Attr) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// A full disk must not stop a broker from serving.
	_ = l.enc.Encode(target.LoggedEvent{Wall: now(), Node: node, Name: name, Attrs: attrs})
}

// ownBroker is how the local target starts brokers: this very program, by the
// name it was called by, since one file may be several programs.
func ownBroker() ([]string, error) {
	exe, err := exec.LookPath(os.Args[0])
	if err == nil {
		exe, err = filepath.Abs(exe)
	}
	if err != nil {
		return nil, fmt.Errorf("finding this program, to start brokers with it: %w", err)
	}
	return []string{exe}, nil
}
