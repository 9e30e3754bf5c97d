package faults

// Survivable reports whether the atlas lets the faults of a plan happen
// together in a cluster: what was drawn without [Draw].BeyondAtlas is, and what
// was written by hand need not be.
func (p Plan) Survivable(t Topology) bool {
	for i, f := range p {
		if f.Kind.Lossy() && t.MinISR < 2 || !compatible(p[:i], p[i:i+1]) {
			return false
		}
	}
	return true
}
