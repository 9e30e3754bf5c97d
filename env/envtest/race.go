package envtest

import "testing"

// NoRaces skips a test under the race detector. It is for what has no two
// goroutines that run side by side, such as simulated clusters and pure step
// functions: there the detector sees nothing, and costs tenfold.
func NoRaces(t testing.TB, why string) {
	t.Helper()
	if raceDetector {
		t.Skip("nothing for the race detector to see: " + why)
	}
}
