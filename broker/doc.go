// Package broker is a Kafka broker.
//
// A Broker is one node: it takes part in the metadata quorum, holds replicas
// of partitions, coordinates consumer groups and transactions, and answers clients. It runs on
// an env.Env, so the same code is a real server on the operating system and a
// citizen of the simulator.
//
// The parts, in the order a request meets them:
//
//   - broker/protocol reads frames and hands each decoded request to its handler.
//   - The handlers are in this package, one file per API key (api00_produce.go
//     for key 0 and so on). A handler's header says what it does and what each
//     version of its messages adds.
//   - broker/config is the registry of settings; settings.go makes the broker
//     follow those that change at run time.
//   - broker/replication holds the partitions: it appends, replicates, and
//     makes records readable once every in-sync replica has them.
//   - broker/storage is the log on disk under both partitions and metadata.
//   - broker/controller is the metadata quorum: Raft, and on top of it the
//     cluster's state (topics, leaders, in-sync replicas, live brokers).
//   - broker/coordinator runs state machines over the partitions of internal
//     topics; broker/group keeps consumer groups and their committed offsets in
//     one, broker/transaction the transactions of producers in another,
//     broker/share/state the state of share groups' partitions in a third.
//   - broker/share hands records of partitions that are led here out to members of
//     share groups.
//
// This package joins them: [Start] opens everything and returns once the node
// listens; lifecycle.go registers the broker with the controller and keeps its
// session alive; peers.go connects brokers to one another; forward.go brings what
// only the active controller can answer to it, whichever broker was asked, in an
// envelope (KIP-590); autocreate.go has topics created that are asked for;
// directories.go opens the log directories and goes on without one that fails;
// metaproperties.go keeps them from being taken for another node's, and life.go
// knows in which of them nothing was lost.
//
// Every node runs a broker. One that is listed as a voter also runs a
// controller, in the same process (Kafka's combined mode), on a listener of its
// own: what brokers and voters say to controllers is not spoken where clients
// come in. A node that is no voter observes the metadata log. The table in
// apis.go says which listener serves what, and what a client needs leave for.
//
// What differs from Apache Kafka and what is missing stands in
// docs/architecture.md.
package broker
