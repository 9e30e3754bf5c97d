package ec2

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests reproduce the worked examples and tables of the EC2 User Guide
// (awsdocs/amazon-ec2-user-guide): "General Purpose SSD volumes" and
// "Throughput Optimized HDD and Cold HDD volumes".

func volume(t *testing.T, s VolumeSpec) *Volume {
	t.Helper()
	v, err := NewVolume(s)
	require.NoError(t, err)
	return v
}

// saturate keeps a volume busy with transfers of one size until its IOPS are
// those of its baseline, and returns when that was.
func saturate(v *Volume, size int64) (out time.Duration) {
	for now := time.Duration(0); ; {
		saved, _ := v.IOCredits(now)
		if saved == 0 {
			return now
		}
		_, now = v.Submit(now, Transfer{Bytes: size, Count: 10})
	}
}

// TestGP2Table is the table "volume size, baseline performance, burst
// duration at 3,000 IOPS, time to refill". The guide's formula is
//
//	burst duration = (I/O credit balance) / ((burst IOPS) - (baseline IOPS))
func TestGP2Table(t *testing.T) {
	for _, row := range []struct{ gib, baseline, burst, refill int64 }{
		{1, 100, 1862, 54_000},
		{33, 100, 1862, 54_000},
		{100, 300, 2000, 18_000},
		{334, 1002, 2703, 5389},
		{750, 2250, 7200, 2400},
	} {
		t.Run(fmt.Sprint(row.gib, " GiB"), func(t *testing.T) {
			v := volume(t, VolumeSpec{Class: "gp2", GiB: row.gib})
			rule := v.Limits().IOPS
			require.Equal(t, row.baseline, rule.Baseline)
			require.EqualValues(t, 3000, rule.Burst)
			require.EqualValues(t, 5_400_000, rule.Credit)

			computed, bursts := rule.BurstDuration(rule.Credit)
			require.True(t, bursts)
			require.EqualValues(t, row.burst, computed.Round(time.Second)/time.Second)
			require.EqualValues(t, row.refill, rule.RefillDuration().Round(time.Second)/time.Second)

			// The bucket does what the formula says.
			dry := saturate(v, 4<<10)
			require.InDelta(t, computed.Seconds(), dry.Seconds(), 0.1)

			// From there on it passes its baseline.
			_, end := v.Submit(dry, Transfer{Bytes: 4 << 10, Count: 60 * row.baseline})
			require.InDelta(t, 60, (end - dry).Seconds(), 0.1)

			// Idle, it is full again after the time of the table, not before.
			saved, most := v.IOCredits(end + rule.RefillDuration() + time.Second)
			require.Equal(t, most, saved)
			saved, _ = v.IOCredits(end + rule.RefillDuration() - time.Minute)
			require.Less(t, saved, most)
		})
	}
	for _, row := range []struct{ gib, baseline int64 }{{1000, 3000}, {5333, 15_999}, {5334, 16_000}, {16_384, 16_000}} {
		v := volume(t, VolumeSpec{Class: "gp2", GiB: row.gib})
		require.Equal(t, row.baseline, v.Limits().IOPS.Baseline)
		_, bursts := v.Limits().IOPS.BurstDuration(0)
		require.False(t, bursts, "%d GiB: the baseline is the most", row.gib)
		_, most := v.IOCredits(0)
		require.Zero(t, most)
	}
}

// TestGP2Throughput: 128 MiB/s up to 170 GiB, up to 250 MiB/s while bursting
// below 334 GiB, 250 MiB/s from there on.
func TestGP2Throughput(t *testing.T) {
	for _, row := range []struct{ gib, fresh, dry int64 }{
		{100, 128, 75}, {170, 128, 127}, {171, 250, 128}, {200, 250, 150}, {334, 250, 250}, {5334, 250, 250},
	} {
		v := volume(t, VolumeSpec{Class: "gp2", GiB: row.gib})
		_, end := v.Admit(0, 60*row.fresh<<20)
		require.InDelta(t, 60, end.Seconds(), 0.1, "%d GiB with credits", row.gib)
		now := end
		if row.gib < 334 {
			now = saturate(v, 4<<10)
		}
		_, end = v.Admit(now, 60*row.dry<<20)
		require.InDelta(t, 60, (end - now).Seconds(), 0.5, "%d GiB without credits", row.gib)
	}
}

// TestST1Table is the table of base and burst throughput by volume size.
func TestST1Table(t *testing.T) {
	for _, row := range []struct{ gib, base, burst int64 }{
		{125, 4, 30}, {128, 5, 31}, {512, 20, 125}, {1024, 40, 250}, {2048, 80, 500}, {3072, 120, 500},
		{8192, 320, 500}, {12_288, 480, 500}, {12_800, 500, 500}, {16_384, 500, 500},
	} {
		rule := volume(t, VolumeSpec{Class: "st1", GiB: row.gib}).Limits().Throughput
		require.Equal(t, row.base, rule.Baseline>>20, "%d GiB", row.gib)
		require.Equal(t, row.burst, rule.Burst>>20, "%d GiB", row.gib)
		require.Equal(t, row.gib<<30, rule.Credit)
	}
	for _, row := range []struct{ gib, base, burst int64 }{
		{512, 6, 40}, {1024, 12, 80}, {3200, 37, 250}, {4096, 48, 250}, {16_384, 192, 250},
	} {
		rule := volume(t, VolumeSpec{Class: "sc1", GiB: row.gib}).Limits().Throughput
		require.Equal(t, row.base, rule.Baseline>>20, "%d GiB", row.gib)
		require.Equal(t, row.burst, rule.Burst>>20, "%d GiB", row.gib)
	}
}

// TestFullVolumeScan is the table of scan times with full buckets, which
// hold enough for one scan.
func TestFullVolumeScan(t *testing.T) {
	for _, row := range []struct {
		tib      int64
		st1, sc1 float64 // hours
	}{
		{1, 1.17, 3.64}, {2, 1.17, 3.64}, {3, 1.75, 3.64}, {4, 2.33, 4.66}, {5, 2.91, 5.83},
		{8, 4.66, 9.32}, {12, 6.99, 13.98}, {16, 9.32, 18.64},
	} {
		for class, hours := range map[string]float64{"st1": row.st1, "sc1": row.sc1} {
			v := volume(t, VolumeSpec{Class: class, GiB: row.tib << 10})
			var end time.Duration
			for i := int64(0); i < row.tib<<10; i++ {
				_, end = v.Submit(end, Transfer{Bytes: 1 << 30, Continues: true})
			}
			require.InDelta(t, hours, end.Hours(), 0.01, "%s of %d TiB", class, row.tib)
		}
	}
}

// TestST1RunsDry: a bucket that fills while it is spent lasts for
// credits / (burst - baseline), and then the baseline is left.
func TestST1RunsDry(t *testing.T) {
	v := volume(t, VolumeSpec{Class: "st1", GiB: 1024})
	var now time.Duration
	for saved := int64(1); saved > 0; saved, _ = v.ByteCredits(now) {
		_, now = v.Admit(now, 64<<20)
	}
	require.InDelta(t, 1<<20/(250.0-40), now.Seconds(), 1)
	_, end := v.Admit(now, 40*60<<20)
	require.InDelta(t, 60, (end - now).Seconds(), 0.1)
	saved, most := v.ByteCredits(end + 8*time.Hour)
	require.Equal(t, most, saved)
}

// TestIOSizes are the examples of "I/O characteristics and monitoring": one
// 1,024 KiB I/O is 4 on SSD, eight contiguous ones of 32 KiB are one, eight
// random ones are 8; on HDD eight contiguous ones of 128 KiB are one, eight
// random ones are 8 and cost a MiB of credit each.
func TestIOSizes(t *testing.T) {
	ssd := volume(t, VolumeSpec{Class: "gp3", GiB: 100})
	count := func(v *Volume, transfers ...Transfer) (ios, bytes int64) {
		for _, x := range transfers {
			i, b := v.charge(x)
			ios, bytes = ios+i, bytes+b
		}
		return ios, bytes
	}
	eight := func(kib int64) []Transfer {
		s := []Transfer{{Bytes: kib << 10}}
		for range 7 {
			s = append(s, Transfer{Bytes: kib << 10, Continues: true})
		}
		return s
	}
	ios, bytes := count(ssd, Transfer{Bytes: 1 << 20})
	require.EqualValues(t, []int64{4, 1 << 20}, []int64{ios, bytes})
	ios, bytes = count(ssd, eight(32)...)
	require.EqualValues(t, []int64{1, 256 << 10}, []int64{ios, bytes})
	ios, bytes = count(ssd, Transfer{Bytes: 32 << 10, Count: 8})
	require.EqualValues(t, []int64{8, 256 << 10}, []int64{ios, bytes})

	hdd := volume(t, VolumeSpec{Class: "st1", GiB: 1024})
	ios, bytes = count(hdd, eight(128)...)
	require.EqualValues(t, []int64{1, 1 << 20}, []int64{ios, bytes})
	ios, bytes = count(hdd, Transfer{Bytes: 128 << 10, Count: 8})
	require.EqualValues(t, []int64{8, 8 << 20}, []int64{ios, bytes})

	_, paid := hdd.Admit(0, 128<<10)
	_, end := hdd.Submit(0, Transfer{Bytes: 128 << 10, Continues: true})
	require.Equal(t, paid, end, "what is merged into an I/O passes with it")
}

// TestProvisioned: the ratios of gp3 and io2, and what is refused.
func TestProvisioned(t *testing.T) {
	gp3 := volume(t, VolumeSpec{Class: "gp3", GiB: 500}).Limits()
	require.EqualValues(t, 3000, gp3.IOPS.Burst)
	require.EqualValues(t, 125<<20, gp3.Throughput.Burst)
	full := volume(t, VolumeSpec{Class: "gp3-until-2025", GiB: 32, IOPS: 16_000, MiBps: 1000}).Limits()
	require.EqualValues(t, 1000<<20, full.Throughput.Baseline)
	most := volume(t, VolumeSpec{Class: "gp3", GiB: 160, IOPS: 80_000, MiBps: 2000}).Limits()
	require.EqualValues(t, 80_000, most.IOPS.Baseline)
	io2 := volume(t, VolumeSpec{Class: "io2", GiB: 64, IOPS: 16_000}).Limits()
	require.Equal(t, int64(4000<<20), io2.Throughput.Baseline)
	io2 = volume(t, VolumeSpec{Class: "io2", GiB: 64, IOPS: 1000}).Limits()
	require.EqualValues(t, 256<<20, io2.Throughput.Baseline)

	for _, wrong := range []struct {
		spec VolumeSpec
		says string
	}{
		{VolumeSpec{Class: "gp4", GiB: 1}, `"gp4" is not known; use one of gp3`},
		{VolumeSpec{Class: "io1", GiB: 100}, "without a model; use one of"},
		{VolumeSpec{Class: "gp2", GiB: 0}, "1 to 16384 GiB, not 0"},
		{VolumeSpec{Class: "gp2", GiB: 100, IOPS: 500}, "leave IOPS and MiB/s out"},
		{VolumeSpec{Class: "st1", GiB: 100}, "125 to 16384 GiB"},
		{VolumeSpec{Class: "gp3", GiB: 31, IOPS: 16_000}, "3000 to 15500 IOPS, not 16000"},
		{VolumeSpec{Class: "gp3", GiB: 500, IOPS: 2000}, "3000 to 80000 IOPS"},
		{VolumeSpec{Class: "gp3", GiB: 500, MiBps: 1000}, "125 to 750 MiB/s"},
		{VolumeSpec{Class: "io2", GiB: 4}, "100 to 4000 IOPS, not 0"},
		{VolumeSpec{Class: "io2", GiB: 4, IOPS: 100, MiBps: 1}, "leave MiB/s out"},
	} {
		_, err := NewVolume(wrong.spec)
		require.ErrorContains(t, err, wrong.says)
	}
}
