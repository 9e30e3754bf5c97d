package simdisk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/sim/ec2"
)

// TestProfilesOfEC2: the figures that runs rest on, as the catalogue has them.
func TestProfilesOfEC2(t *testing.T) {
	p := GP3()
	require.Equal(t, "gp3", p.Name)
	require.Equal(t, ec2.VolumeSpec{Class: "gp3", GiB: 500, IOPS: 3000, MiBps: 125}, p.Volume)
	require.True(t, p.Shared)
	require.Equal(t, int64(500<<30), p.CapacityBytes)
	require.Equal(t, int64(256<<10), p.IOBytes)
	require.NoError(t, p.check())

	p = InstanceStore()
	require.Equal(t, "instance-store", p.Name)
	require.Equal(t, Limit{IOPS: 66_969, BytesPerSecond: 333_447_168}, p.Write)
	require.Equal(t, Limit{IOPS: 84_480, BytesPerSecond: 666_894_336}, p.Read)
	require.Equal(t, int64(2_500_000_000_000), p.CapacityBytes)
	require.NoError(t, p.check())

	p, err := EBS(ec2.VolumeSpec{Class: "io2", GiB: 500, IOPS: 10_000})
	require.NoError(t, err)
	require.NoError(t, p.check())
	p.Write.IOPS = 100
	require.ErrorContains(t, p.check(), "clear Volume.Class")

	for _, class := range []string{"gp2", "st1", "sc1"} {
		p, err = EBS(ec2.VolumeSpec{Class: class, GiB: 500})
		require.NoError(t, err)
		require.NoError(t, p.check())
	}
	_, err = EBS(ec2.VolumeSpec{Class: "gp3"})
	require.ErrorContains(t, err, "not 0")
	_, err = LocalDisk("m5.large")
	require.ErrorContains(t, err, "no instance store")
}
