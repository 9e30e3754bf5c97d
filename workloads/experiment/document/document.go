package document

// Schema is the value of Document.Schema that this version writes and reads.
const Schema = "weir.document/1"

// Document is one report.
type Document struct {
	Schema   string `json:"schema,omitempty"`
	Title    string `json:"title"`
	Subtitle string `json:"subtitle,omitempty"`
	// Summary is what the reader should know who reads nothing else, one
	// paragraph each.
	Summary  []string  `json:"summary,omitempty"`
	Sections []Section `json:"sections"`
	// Provenance lists the models and data that the figures rest on.
	Provenance []Source `json:"provenance,omitempty"`
	// Facts tell how the document was made: commit, date, machine, command.
	Facts []Fact `json:"facts,omitempty"`
}

// Section is one chapter: words, then tables, then figures.
type Section struct {
	Title   string   `json:"title"`
	Text    []string `json:"text,omitempty"` // paragraphs
	Tables  []Table  `json:"tables,omitempty"`
	Figures []Figure `json:"figures,omitempty"`
}

// Source is where figures come from.
type Source struct {
	What   string `json:"what"`   // "disk latency of gp3"
	Basis  string `json:"basis"`  // specification, measurement, derived or assumption
	Source string `json:"source"` // document, page, or what was measured and when
	// Validated says against what it was compared, [NeverCompared] if nothing.
	Validated string `json:"validated,omitempty"`
}

// Fact is one line of how the document was made.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NeverCompared is the value of Validated where nothing was ever held against
// the model.
const NeverCompared = "never compared with hardware"

// Table of a section. Every row has one cell per column.
type Table struct {
	// Name identifies the table in the JSON ("ceiling"): lower case, no spaces.
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Columns []Column `json:"columns"`
	Rows    [][]Cell `json:"rows"`
	Notes   []string `json:"notes,omitempty"`
}

// Column of a table.
type Column struct {
	Name string `json:"name"`
	// Unit of the numbers in it, shown in the head: "MB/s", "ms", "$/month".
	Unit string `json:"unit,omitempty"`
	// Number columns are aligned to the right.
	Number bool `json:"number,omitempty"`
}

// Mark of a cell: what a reader should notice.
type Mark string

// Marks. A mark is drawn as a colour and, where there is no colour, as a sign.
const (
	NoMark  Mark = ""
	Good    Mark = "good"
	Bad     Mark = "bad"
	Neutral Mark = "neutral" // present, neither good nor bad; drawn faint
)

// Cell of a table.
type Cell struct {
	Text string `json:"text"`
	// Number and Unit are the quantity behind the text; nil where there is none.
	Number *float64 `json:"number,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Mark   Mark     `json:"mark,omitempty"`
}

// Words is a cell of text.
func Words(text string) Cell { return Cell{Text: text} }

// Quantity is a cell with a number and how it is written.
func Quantity(v float64, unit, text string) Cell { return Cell{Text: text, Number: &v, Unit: unit} }

// Marked returns the cell with a mark.
func (c Cell) Marked(m Mark) Cell {
	c.Mark = m
	return c
}

// Basis is what kind of figures these are.
type Basis string

// Bases. A Figure has the one that covers all of its series.
const (
	Simulated     Basis = "simulated"
	Real          Basis = "real"          // measured on hardware by us
	Published     Basis = "published"     // measured on hardware by others
	Specification Basis = "specification" // what a vendor promises
	Both          Basis = "real and simulated"
	Compared      Basis = "published and simulated"
)

// Kind of a figure.
type Kind string

// Kinds.
const (
	// Lines joins the points of each series.
	Lines Kind = "lines"
	// Steps holds each value until the next.
	Steps Kind = "steps"
	// Percentiles is a latency distribution: X is the percentile (0 to below
	// 100, in percent), drawn so that every further nine takes the same room;
	// Y is the latency.
	Percentiles Kind = "percentiles"
	// Bars stand side by side in groups, one group per entry of
	// X.Categories; Series.X is the index of the group, all of them in order
	// if it is empty. They are drawn lying, so that names have room.
	Bars Kind = "bars"
	// Scatter draws points; a Series.Names entry labels its point. A series
	// from a specification is drawn as a line, for bounds and diagonals.
	Scatter Kind = "scatter"
)

// Figure is one plot.
type Figure struct {
	// Name of the files ("ceiling" becomes ceiling.png): lower case, no
	// spaces, unique in the document.
	Name  string `json:"name"`
	Title string `json:"title"`
	// About is one sentence under the title: what to see.
	About  string   `json:"about,omitempty"`
	Kind   Kind     `json:"kind"`
	X      Axis     `json:"x"`
	Y      Axis     `json:"y"`
	Series []Series `json:"series"`
	Bands  []Band   `json:"bands,omitempty"`
	Marks  []Line   `json:"marks,omitempty"`
	// Half lets two figures stand beside each other.
	Half bool `json:"half,omitempty"`

	Basis Basis `json:"basis"`
	// Model is the source of the model behind what is simulated.
	Model string `json:"model,omitempty"`
	// Validated says against what the model was compared, and how well;
	// [NeverCompared] if it was not.
	Validated string `json:"validated,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Axis of a figure.
type Axis struct {
	Label string `json:"label"`
	// Unit is required but for categories and pure numbers, which say "1".
	// Values in "ms" and "s" are written with the prefix that suits them.
	Unit string `json:"unit"`
	Log  bool   `json:"log,omitempty"`
	// Min and Max fix the ends; equal values let the data decide. A linear Y
	// axis begins at 0 unless Min is set.
	Min float64 `json:"min,omitempty"`
	Max float64 `json:"max,omitempty"`
	// Categories are the groups of bars, in order.
	Categories []string `json:"categories,omitempty"`
}

// Series is one curve, or the bars of one colour.
type Series struct {
	Name  string    `json:"name"`
	Basis Basis     `json:"basis"`
	X     []float64 `json:"x,omitempty"`
	Y     []float64 `json:"y"`
	// Low and High are the spread around Y, parallel to it; empty if unknown.
	Low  []float64 `json:"low,omitempty"`
	High []float64 `json:"high,omitempty"`
	// Names label the points of a Scatter.
	Names []string `json:"names,omitempty"`
	// Color is an index into the palette plus one, so that what belongs
	// together in several figures can share a colour; 0 takes the next one.
	Color int `json:"color,omitempty"`
}

// Band shades a stretch of the X axis: a warm-up, a fault.
type Band struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Label string  `json:"label"`
}

// Line is a straight line across the figure: a limit, a target, a moment.
type Line struct {
	At    float64 `json:"at"`
	Label string  `json:"label"`
	// Vertical lines stand at an X value, others at a Y value.
	Vertical bool `json:"vertical,omitempty"`
}
