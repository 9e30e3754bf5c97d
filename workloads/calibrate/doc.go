// Package calibrate measures the machine it runs on into a machine profile
// that the simulator loads.
//
// Three things are measured:
//
//   - The disk ([MeasureDisk]): appends, overwrites and their fdatasync, by size
//     and by how many files are written side by side; what the device does
//     without the page cache.
//   - The loopback network ([MeasureLoopback]): round trips between two
//     processes by size, bandwidth, and the wake-up that every round trip holds.
//   - What broker and client cost ([FitCosts]): three real brokers and the
//     clients run a few workloads; how often each operation ran is counted
//     (env.Env.Work), the CPU time that processes used is read from the kernel,
//     and non-negative least squares find the cost of each operation per call
//     and per unit.
//
// What comes out are tables of integers, each with where it is from: date,
// kernel, processor and file system, and no name of the machine.
package calibrate
