// Package results writes RESULTS.md: what was measured and simulated with this
// version of Weir, and where each figure comes from. It is behind "weir
// results".
//
// The results have parts, one per command: the machine profile, real runs
// against simulated ones, published runs, storage on EC2, the noise of the
// regression gate. Each part is a [Part] on disk, docs/results/data/NAME.json:
// the document that its command made, and when, where and from which commit it
// was made. [Save] writes one; [Render] reads all there are, checks them, and
// writes them twice:
//
//	docs/results/NAME.md   all of a part: every table, every figure
//	RESULTS.md             of each part the question, the answer, the figures
//	                       that the answer rests on and one picture
//
// What RESULTS.md takes from a part is its brief (brief.go): which tables, which
// columns and lines of them, which picture. It stays below [MostLines].
// Rendering measures nothing and adds nothing, so that a test can render what
// is committed and require the pages to be the same: nothing in them can have
// been typed by hand.
package results
