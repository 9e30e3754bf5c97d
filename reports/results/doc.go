// Package results writes RESULTS.md: what was measured and simulated with this
// version of Weir, set beside each other, with its pictures and where each of
// them comes from. It is behind "weir results".
//
// The results have parts, one per command: the machine profile, real runs
// against simulated ones, published runs, storage on EC2, the noise of the
// regression gate. Each part is a [Part] on disk, docs/results/data/NAME.json:
// the document that its command made, and when, where and from which commit it
// was made. [Save] writes one; [Render] reads all there are, checks them, and
// writes RESULTS.md and the figures. Rendering measures nothing and adds
// nothing, so that a test can render what is committed and require RESULTS.md
// to be the same: nothing in it can have been typed by hand.
package results
