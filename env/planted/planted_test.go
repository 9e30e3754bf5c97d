package planted_test

import (
	"testing"

	"github.com/pingcap/failpoint"
	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env/planted"
)

// In an ordinary build the question costs nothing and nobody hears of it.
func TestAnOrdinaryBuildAnswersNo(t *testing.T) {
	require.NoError(t, failpoint.Enable(planted.Failpoint, `return("a,b")`))
	defer func() { require.NoError(t, failpoint.Disable(planted.Failpoint)) }()
	if planted.Is("a") {
		t.Skip("this is not an ordinary build")
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { planted.Is("b") }))
	require.Empty(t, planted.Asked())
}
