// Package target says what a run asks of the cluster it is led against: a
// [Cluster], which each target makes in a folder of its own.
//
//   - target/sim simulates brokers, clients, network and disks on one thread.
//     The inner state of the brokers is watched while they run, and everything
//     is a function of the scenario.
//   - target/local starts broker processes on this machine and breaks them with
//     signals. Brokers are black boxes until the run is over, when their log
//     directories are read. It also starts brokers of Apache Kafka
//     (local.NewKafka), whose directories are not.
//   - target/kafka is a cluster that somebody else runs: Weir is its client and
//     can break nothing.
//
// What a target cannot do it says: faults ask for the interfaces they need
// (package faults), the judge is told which facts it will get
// ([Cluster].Facts), and the report what nobody could look at
// ([Remains].Blind). Another system is another folder: it needs no more than
// an implementation of Cluster and a name on the command line.
package target
