// Package ec2 knows the machines and disks of Amazon EC2: what they are, what
// they allow, what they cost, and what they lose. It decides with integers and
// draws nothing, so that a simulation built on it is the same everywhere.
//
//	c := ec2.Default()
//	v, err := ec2.NewVolume(ec2.VolumeSpec{Class: "gp2", GiB: 100})
//	start, end := v.Admit(now, 256<<10)
//	saved, most := v.IOCredits(now)
//
// # The catalogue
//
// [Default] holds the tables of data/*.csv: instance types, volume classes,
// measured instance-store disks, latency tables, published latencies to hold
// them against, prices, and what survives what. Every row has a
// [Provenance]: where it is from, and its [Basis]. A specification is what
// the vendor promises, a measurement is what somebody saw, a derived figure
// was computed from either, and an assumption is our own. Plots show it.
//
// # Limits
//
// A [Bucket] is one limit: a baseline that is always there, a burst rate that
// costs credits, and the credits. It is a fluid queue: what is admitted is
// served in order, at the burst rate while credits last and at the baseline
// afterwards. Credits are what the baseline did not use, up to a cap:
//
//	burst duration = credits / (burst - baseline)
//
// A [Volume] is the buckets of an EBS volume of one class and size:
//
//	gp2      3 IOPS per GiB (100 to 16,000), 3,000 while 5.4 million I/O
//	         credits last; 128 MiB/s up to 170 GiB, 250 MiB/s above
//	gp3      what was provisioned, 3,000 IOPS and 125 MiB/s at least; no burst
//	io2      what was provisioned; 0.256 MiB/s per IOPS up to 4,000; no burst
//	st1      40 MiB/s per TiB, 250 MiB/s per TiB while a TiB of credit per TiB
//	         lasts; 500 MiB/s and 500 I/Os a second at most
//	sc1      12 and 80 MiB/s per TiB; 250 at most
//
// A contiguous transfer counts as I/Os of at most 256 KiB on SSD and 1 MiB on
// HDD. On HDD every I/O costs a whole MiB of throughput credit unless it
// continues the one before it: [Transfer].
//
// A [LocalDisk] is one disk of an instance store with the limits that iotune
// measured. A [Machine] adds what the instance allows all its volumes
// together (its EBS pipe) and its network, in and out; [Machine.Attach] puts a
// volume behind the pipe, and [Attached.Held] says which limit it was that
// held transfers back.
//
// # Latency
//
// Limits are not latencies. [Catalogue.Latency] gives the latency tables as
// integer quantiles for package sim to draw from: "gp3-write", "io2-read",
// "instance-store-write", "same-zone". No vendor publishes distributions;
// the tables are assumptions shaped around the published figures in
// [Catalogue.Published], and say so.
//
// # Loss and price
//
// [Catalogue.Survival] says what a class of storage keeps over a reboot, a
// stop, a termination, a loss of power, the death of the host, and the loss of
// a zone. [Catalogue.VolumePrice] and [Instance.MonthlyPrice] are in
// micro-dollars a month of [HoursPerMonth].
//
// # What is not modelled
//
// The variation that vendors allow themselves ("90% of provisioned IOPS 99%
// of the time"), snapshots that slow an HDD volume, lazy loading of volumes
// made from snapshots, write amplification of a nearly full SSD, and the
// limit of one TCP flow. io1 and magnetic volumes are in the catalogue
// without a model.
package ec2
