// Package machine describes the machines that a cluster runs on, so that a
// simulation takes the time that they would: processors, what operations cost
// on them, memory, disks, network, and how fast a waiting task wakes up.
//
//	p, err := machine.EC2("i3en.2xlarge", machine.Storage{Class: machine.InstanceStore})
//	p, err := machine.Load("this-machine.json")      // written by weir calibrate
//	p.Costs, err = machine.CostTable("kafka-jvm")
//
// # In a world
//
// A [Machine] is a physical machine of a [Profile]. What processes share lies
// in it: cores, the device with its limits and credits, the page cache, the
// network card. A world builder makes one for each broker, or, where every
// process runs on one laptop, one for all:
//
//	m, err := p.Build(k, "broker-1")
//	n := k.NewNode("broker-1")
//	net.Attach(n, "broker-1")
//	m.Host(n)                    // cores, prices, wake-ups
//	m.Join(net, "broker-1")      // network card, loopback within the machine
//	n.SetFS(m.NewDisk(n))        // a file system on the machine's device
//
// Machines of one network see each other over its links, processes of one
// machine over loopback. Afterwards n.CPUTime, n.WorkStats and
// [Machine.Processor] say what the programs used, [Machine.Device] and
// [Machine.EC2] what held them back and which burst credits are left.
//
// [Profile.Replay] shows how well the model of a measured disk fits what it was
// made of.
//
// # Operations
//
// Programs tell what they do with [env.Env.Work]: an operation by name and
// over how many units. A [Costs] table prices it: so much a call, so much a
// unit, and more for the units of a call that are beyond [LargeUnits]. An operation that the table does not have is free. The names are
//
//	request.produce     a Produce request: bytes of its frame. Reading it from
//	                    the socket, parsing, checking, completing it.
//	request.fetch       a Fetch request of a consumer: bytes of its frame.
//	request.replica     a Fetch request of a follower or a voter: bytes of its
//	                    frame.
//	request.other       any other request: bytes of its frame.
//	response            an answer: bytes of its frame. Encoding and writing it
//	                    to the socket.
//	storage.append      a write of record batches to a log by the leader: their
//	                    bytes. Validation, CRC, offsets, the copy to the page
//	                    cache, the index.
//	replica.append      the same by a follower: bytes.
//	storage.read        a read of record batches from a log: bytes.
//	storage.sync        a sync of a log: 1 per file. The system call; waiting
//	                    for the device is not CPU.
//	storage.recover     reading a log after an unclean stop: bytes.
//	fetch.partition     a look of a leader at the partitions of a fetch, when it
//	                    comes and again whenever there is more in one of them:
//	                    how many.
//	peer.partition      a follower's making of a fetch and its going through the
//	                    answer: how many partitions.
//	peer.request        a request to another broker, above all a follower's
//	                    fetch: bytes of request and answer. Making the one,
//	                    reading and parsing the other.
//	client.send         a request of a client: bytes of its frame.
//	client.receive      an answer to a client: bytes of its frame.
//	client.partition    a producer's going through its partitions for what to
//	                    send: how many partitions.
//	client.record       records that a client makes or takes together: how many.
//
// On the operating system the same calls are counted and free (see package
// osenv), so that a calibration can fit the prices to the CPU time that the
// same work took.
//
// # Mechanisms
//
// A program may take longer over an operation than a core is busy with it.
// [Mechanisms] of a cost table are what makes it so for Kafka on the JVM: a
// request is handed from thread to thread, and the collector stops all threads
// at a rate that follows what is allocated. [Costs.Without] switches one off,
// so that what it explains can be seen. docs/kafka-jvm.md has them with their
// parameters and sources.
//
// # Where figures are from
//
// Each [Source] in a profile says what it is about, where it is from, and
// against what it was validated, if ever. Plots show it.
package machine
