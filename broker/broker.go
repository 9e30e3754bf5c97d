package broker

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/fetchsession"
	"github.com/weirlab/weir/broker/group"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/replication"
	"github.com/weirlab/weir/broker/share"
	"github.com/weirlab/weir/broker/share/state"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/broker/transaction"
	"github.com/weirlab/weir/env"
)

// Broker is one running node.
type Broker struct {
	e           env.Env
	cfg         Config
	static      config.Static // of cfg
	settings    atomic.Pointer[config.Broker]
	incarnation [16]byte
	sessions    *fetchsession.Cache
	dirs        []*directory
	metaDir     *directory // one of dirs

	metaLog      *storage.Log
	controller   *controller.Node
	replicas     *replication.Manager
	groups       *group.Coordinator
	transactions *transaction.Coordinator
	shares       *share.Leaders
	shareState   *state.Coordinator
	peers        *peers
	table        *protocol.Table
	servers      []*protocol.Server // one for each listener
	forwarding   *forwarding
	creator      *topicCreator
	memory       *protocol.Memory // what connections may hold
	clusterID    string           // that the directories are of; of the task that applies metadata

	producerIDs *producerIDs

	epoch    atomic.Int64                   // of this broker's registration, -1 before it has one
	applied  atomic.Pointer[metadata.Image] // the newest image that this broker's replicas follow; nil before the first
	pulse    pulse
	note     lifeNote
	previous int64      // epoch of an earlier registration since which nothing stored was lost, or -1
	stopping env.Signal // set when the node is to end
	failed   env.Signal // set when the node cannot go on; failure says why
	failure  atomic.Pointer[error]
	live     env.Task
}

// Start opens the node's data and begins to serve. It returns once the node
// listens; the node joins its cluster in the background. Errors name the
// setting, file or address at fault.
func Start(e env.Env, cfg Config) (*Broker, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	b := &Broker{e: e, cfg: cfg, static: cfg.static(), pulse: newPulse(e), stopping: e.NewSignal(), failed: e.NewSignal(), forwarding: newForwarding(e)}
	b.epoch.Store(-1)
	b.settings.Store(&b.cfg.Broker)
	b.memory = protocol.NewMemory(e, cfg.QueuedMaxBytes, cfg.QueuedMaxBytes)
	b.producerIDs = newProducerIDs(e, b.allotProducerIDs)
	b.sessions = fetchsession.New(e, cfg.FetchSessionSlots)
	// A process must not be taken for the one before it, so its identity
	// depends on when it began.
	_, _ = e.Rand("incarnation", fmt.Sprintf("node %d at %d", cfg.NodeID, e.Now())).Read(b.incarnation[:])

	if err := b.open(); err != nil {
		return nil, err
	}
	listener, controllerListener, err := b.listen()
	if err != nil {
		_ = b.metaLog.Close()
		return nil, err
	}
	if cfg.Advertise == "" { // port 0 became a real one
		b.cfg.Advertise = listener.Addr().String()
	}
	b.table = b.apis()
	b.peers.versions = b.table
	table := b.table
	if cfg.Wrap != nil {
		table = table.Wrap(cfg.Wrap)
	}
	b.controller.Start()
	b.creator = newTopicCreator(e, func(req *kmsg.CreateTopicsRequest) { b.answerOfController(req) })
	b.servers = append(b.servers, protocol.Serve(e, listener, table, b.serverOptions(protocol.BrokerListener)))
	if controllerListener != nil {
		b.servers = append(b.servers, protocol.Serve(e, controllerListener, table, b.serverOptions(protocol.ControllerListener)))
	}
	b.controller.Subscribe(b.applyMetadata)
	b.live = e.Go("lifecycle", b.stayRegistered)
	return b, nil
}

// listen opens the listeners: for clients and, if the node is a voter, for its
// controller.
func (b *Broker) listen() (clients, controllers net.Listener, err error) {
	if clients, err = b.e.Listen(b.cfg.Listen); err != nil {
		return nil, nil, fmt.Errorf("broker: listeners=%s: %w", b.cfg.Listen, err)
	}
	if at := b.cfg.controllerListen(); at != "" {
		if controllers, err = b.e.Listen(at); err != nil {
			_ = clients.Close()
			return nil, nil, fmt.Errorf("broker: listeners=%s, of the controller: %w", at, err)
		}
	}
	return clients, controllers, nil
}

// serverOptions are those of a listener. The controller has a third as many
// connections as clients may have, which is enough for brokers, and they are its
// own: clients cannot take them.
func (b *Broker) serverOptions(kind protocol.ListenerKinds) protocol.Options {
	connections := b.cfg.MaxConnections
	if kind == protocol.ControllerListener {
		connections = max(8, connections/3)
	}
	return protocol.Options{
		Listener:            kind,
		MaxRequestBytes:     b.cfg.MaxRequestBytes,
		MaxConnections:      connections,
		MaxConnectionsPerIP: b.cfg.MaxConnectionsPerIP,
		MaxIdle:             b.cfg.ConnectionsMaxIdle,
		Pipelined:           b.cfg.PipelinedRequests,
		Memory:              b.memory,
	}
}

// metadataSegmentBytes is the size of the metadata log's segments, whole ones of
// which go once snapshots stand for them (Kafka's minimum of
// metadata.log.segment.bytes).
const metadataSegmentBytes = 8 << 20

const metadataDir = "__cluster_metadata-0"

// open opens everything the node keeps on disk.
func (b *Broker) open() error {
	e, cfg := b.e, b.cfg
	if err := b.openDirectories(); err != nil {
		return err
	}
	dir := path.Join(b.metaDir.path, metadataDir)
	if err := e.FS().MkdirAll(dir); err != nil {
		return fmt.Errorf("broker: metadata.log.dir: make %s: %w", dir, err)
	}
	var err error
	onFailed := func(err error) { b.fail(fmt.Errorf("broker: metadata log: %w", err)) }
	if b.metaLog, _, err = storage.Open(e, dir, storage.Config{SegmentBytes: metadataSegmentBytes, Unproven: !b.metaDir.proven, OnFailed: onFailed}); err != nil {
		return fmt.Errorf("broker: metadata log: %w", err)
	}
	b.peers = newPeers(e, "broker-"+strconv.Itoa(int(cfg.NodeID)))
	b.controller, err = controller.New(e, controller.Config{
		NodeID:                   cfg.NodeID,
		ClusterID:                cfg.ClusterID,
		Voters:                   cfg.Voters,
		ElectionTimeout:          cfg.ElectionTimeout,
		FetchTimeout:             cfg.QuorumFetchTimeout,
		SnapshotBytes:            cfg.MetadataSnapshotBytes,
		SnapshotInterval:         cfg.MetadataSnapshotInterval,
		RequestTimeout:           cfg.QuorumRequestTimeout,
		RetryBackoff:             cfg.QuorumRetryBackoff,
		BrokerSessionTimeout:     cfg.BrokerSession,
		BalanceLeaders:           cfg.BalanceLeaders,
		BalanceInterval:          cfg.BalanceInterval,
		DefaultPartitions:        cfg.DefaultPartitions,
		DefaultReplicationFactor: cfg.DefaultReplicationFactor,
		Settings:                 b.static,
		OnLeader:                 b.controllerChanged,
		OnFatal:                  func(err error) { b.fail(fmt.Errorf("broker: metadata quorum: %w", err)) },
	}, b.metaLog, dir, b.sendToVoter)
	if err != nil {
		_ = b.metaLog.Close()
		return err
	}
	b.replicas = replication.NewManager(e, replication.Config{
		BrokerID:                cfg.NodeID,
		Dirs:                    b.replicaDirs(),
		ReplicaLagTimeMax:       cfg.ReplicaLagTimeMax,
		ReplicaFetchWaitMax:     cfg.ReplicaFetchWaitMax,
		ReplicaFetchBackoff:     cfg.ReplicaFetchBackoff,
		ReplicaFetchers:         cfg.ReplicaFetchers,
		ReplicaFetchMaxBytes:    cfg.ReplicaFetchBytes,
		ReplicaFetchAnswerBytes: cfg.ReplicaFetchAnswerBytes,
		FetchMaxBytes:           cfg.FetchMaxBytes,
		ReplicaSocketTimeout:    cfg.ReplicaSocketTimeout,
		RackAware:               cfg.ReplicaSelector == config.RackAwareSelector,
		CheckpointInterval:      cfg.CheckpointInterval,
		RetentionCheckInterval:  cfg.RetentionCheckInterval,
		Settings:                b.static,
	}, replication.Deps{
		BrokerEpoch:  b.epoch.Load,
		ToController: b.toController,
		Exists: func(tp metadata.TopicPartition) bool {
			image := b.controller.Image()
			return !b.joined(image) || image.Partition(tp) != nil
		},
		Connect:         b.connectBroker,
		Cleaner:         b.cleanerConfig,
		ThrottledRates:  b.throttledRates,
		OnHighWatermark: cfg.OnHighWatermark,
		OnRoll:          cfg.OnRoll,
		OnFirstAppend:   cfg.OnFirstAppend,
		OnDirFailed:     b.directoryFailed,
	})
	b.groups, b.transactions, b.shareState = b.newGroups(), b.newTransactions(), b.newShareState()
	b.shares = b.newShareLeaders(sharePersister{b})
	b.followLeadership()
	return nil
}

// fail records that the node cannot go on. Its owner sees it by Failed and
// ends the process: a broker whose disk fails must not go on answering.
func (b *Broker) fail(err error) {
	if !storage.NothingLost(err) { // whether or not it is the first
		b.note.takeBackAll()
	}
	if b.failure.CompareAndSwap(nil, &err) {
		b.e.Event("broker-failed", env.Int("node", b.cfg.NodeID), env.Text("error", err.Error()))
		b.failed.Set()
	}
}

// Failed is set once the node cannot go on; Err then says why. The owner
// should end the process.
func (b *Broker) Failed() env.Signal { return b.failed }

// Err is why the node cannot go on, nil if it can.
func (b *Broker) Err() error {
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Addr is the "host:port" at which clients reach the node.
func (b *Broker) Addr() string { return b.cfg.advertised() }

// Stop ends the node in good order: leaders move away first if the cluster
// lets them, and everything is synced to disk. It waits for no other node,
// except that a controller that answers is given Config.ControlledShutdown.
func (b *Broker) Stop() error {
	b.stopping.Set()
	b.creator.stop()
	b.pulse.beat()
	b.peers.cutOff(controllerLane)
	b.live.Wait()
	b.peers.close(controllerLane)
	for _, s := range b.servers {
		s.Close()
	}
	b.shares.Stop()
	b.groups.Stop()
	b.transactions.Stop()
	b.shareState.Stop()
	b.peers.close(markerLane)
	b.peers.close(shareLane)
	err := b.replicas.Stop()
	b.shares.Wait()
	b.groups.Wait()
	b.transactions.Wait()
	b.shareState.Wait()
	b.producerIDs.wait()
	b.peers.close(quorumLane + kmsg.NameForKey(int16(kmsg.Fetch)))
	b.controller.Stop()
	b.creator.wait()
	for _, s := range b.servers {
		s.Wait()
	}
	b.peers.close("")
	err = errors.Join(b.Err(), err, b.metaLog.Sync(), b.metaLog.Close())
	if err == nil && b.epoch.Load() >= 0 {
		_, err = b.note.write(life{Epoch: b.epoch.Load(), BootID: b.e.BootID(), Synced: true})
	}
	return err
}

// quorumLane begins the names of the lanes of the quorum's own requests.
const quorumLane = "quorum "

// sendToVoter carries the quorum's requests. Each kind has its own connection,
// so that a held fetch does not delay a vote.
func (b *Broker) sendToVoter(to controller.Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	return b.peers.request(net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))), quorumLane+kmsg.NameForKey(req.Key()), req, timeout)
}

// connectBroker opens a connection to another broker for replication.
func (b *Broker) connectBroker(id int32) (replication.Peer, error) {
	broker := b.controller.Image().Broker(id)
	if broker == nil {
		return nil, fmt.Errorf("broker: broker %d is not registered: %w", id, kerr.BrokerNotAvailable)
	}
	client, err := protocol.Dial(b.e, broker.Addr(), "replica-"+strconv.Itoa(int(b.cfg.NodeID)), 5*time.Second)
	if err != nil {
		return nil, err
	}
	client.LendAnswers() // a fetcher is done with one when it asks for the next
	return client, nil
}

// Do answers a request that no client has sent, as if one without a connection
// had, for whoever holds the broker. The request's version must be set; errors
// are those that would have ended the connection.
func (b *Broker) Do(req kmsg.Request) (kmsg.Response, error) {
	api, ok := b.table.Lookup(req.Key())
	if !ok || req.GetVersion() < api.MinVersion || req.GetVersion() > api.MaxVersion {
		return nil, fmt.Errorf("broker: %s v%d is not offered", kmsg.NameForKey(req.Key()), req.GetVersion())
	}
	return api.Do(&protocol.Call{Session: &protocol.Session{Listener: protocol.BrokerListener, Remote: b.Addr(), Local: b.Addr()}, Request: req})
}

// StandForElection has this node's controller stand for election after so much
// time, and not wait until it notices by a timeout that the quorum has no leader:
// for whoever starts all its nodes together, or knows that the leader is gone. A
// leader stays one.
func (b *Broker) StandForElection(after time.Duration) { b.controller.Stand(after) }

// MoveLeader has another in-sync replica lead a partition, whichever is preferred.
// Only the active controller can; others answer NOT_CONTROLLER. It returns once
// the change is committed.
func (b *Broker) MoveLeader(tp metadata.TopicPartition, to int32) error {
	return b.controller.MoveLeader(tp, to)
}

// Controls sends a request to the controller if this node has the active one, and
// returns its answer; else the answer says NOT_CONTROLLER, and is nil for what
// no controller answers.
func (b *Broker) Controls(req kmsg.Request) kmsg.Response { return b.controller.Handle(req) }

// View is the node's inner state, for invariants checked from outside.
type View struct {
	NodeID      int32
	BrokerEpoch int64 // -1 if not registered
	Quorum      controller.View
	Replicas    []replication.ReplicaView
	Image       *metadata.Image // the newest committed one that the node has

	Transactions []transaction.View // transactional ids that the node coordinates
}

// View describes the node at this instant.
func (b *Broker) View() View {
	var v View
	b.Look(&v)
	return v
}

// Look is View into the memory of an older view, for who looks often.
func (b *Broker) Look(v *View) {
	*v = View{NodeID: b.cfg.NodeID, BrokerEpoch: b.epoch.Load(), Quorum: b.controller.View(), Replicas: b.replicas.AppendReplicas(v.Replicas[:0]), Image: b.controller.Image(),
		Transactions: b.transactions.Transactions()}
}

// Metadata is the newest committed image the node has and its place in the
// quorum: the part of View that is cheap enough to look at often.
func (b *Broker) Metadata() (*metadata.Image, controller.View) {
	return b.controller.Image(), b.controller.View()
}
