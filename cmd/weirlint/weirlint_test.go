package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis/analysistest"
)

func TestFindings(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), Analyzer, "broker/sample")
}

func TestPackagesThatAreNotSimulated(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), Analyzer, "env/osenv", "env/inside", "workloads")
}

func TestPatterns(t *testing.T) {
	var p patterns
	require.NoError(t, p.Set("env, broker/..."))
	require.Equal(t, "env,broker/...", p.String())
	for pkg, want := range map[string]bool{
		"env": true, "env/osenv": false, "broker": true, "broker/storage": true,
		"broker/a/b": true, "brokers": false, "": false,
	} {
		require.Equal(t, want, p.match(pkg), pkg)
	}
	for _, bad := range []string{"", "/env", "./env", "env/", "a,,b"} {
		require.Error(t, p.Set(bad), "%q", bad)
	}
}
