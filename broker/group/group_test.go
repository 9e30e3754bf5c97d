package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestGroupInvariants does random things to a group and checks what must hold
// whatever happens.
func TestGroupInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.InitialRebalanceDelay = time.Duration(rapid.IntRange(0, 1).Draw(t, "delay")) * time.Second
		g := New("g", &cfg)
		now := time.Duration(0)
		var ref Ref
		open := map[Ref]string{}                  // requests that wait
		assigned := map[int32]map[string]string{} // per generation, what each member was given
		joinedAs := map[string]int32{}            // member → generation of its last join
		ids, newest := []string{""}, int32(0)
		var toStore []uint64

		do := func(in Input) {
			for _, out := range g.Step(now, in) {
				switch out := out.(type) {
				case Joined:
					require.Equal(t, "join", open[out.Ref], "answered once, to a join")
					delete(open, out.Ref)
					if out.MemberID != "" {
						ids = append(ids, out.MemberID)
					}
					if out.Code == 0 {
						require.GreaterOrEqual(t, out.Generation, newest, "generations do not go back")
						newest = out.Generation
						require.Contains(t, g.Members, out.MemberID)
						joinedAs[out.MemberID] = out.Generation
						if len(out.Members) > 0 {
							require.Len(t, out.Members, len(g.Members))
						}
					}
				case Synced:
					require.Equal(t, "sync", open[out.Ref])
					delete(open, out.Ref)
				case Left:
					require.Equal(t, "done", open[out.Ref])
					delete(open, out.Ref)
				case Done:
					require.Equal(t, "done", open[out.Ref])
					delete(open, out.Ref)
				case Store:
					toStore = append(toStore, out.Seq)
				}
			}
			if g.State == Stable {
				if assigned[g.Generation] == nil {
					assigned[g.Generation] = map[string]string{}
				}
				owner := map[string]string{}
				for id, m := range g.Members {
					a := string(m.Assignment)
					require.Empty(t, owner[a], "%q has two owners", a)
					if a != "" {
						owner[a] = id
					}
				}
			}
			if g.State == Empty {
				require.Empty(t, g.Members)
			}
		}
		someone := func() string { return rapid.SampledFrom(ids).Draw(t, "member") }
		instance := func() string { return rapid.SampledFrom([]string{"", "", "i1", "i2"}).Draw(t, "instance") }
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				ref++
				open[ref] = "join"
				do(Join{
					Ref: ref, MemberID: someone(), InstanceID: instance(), NewMemberID: fmt.Sprintf("m%d", ref),
					SessionTimeout: 10 * time.Second, ProtocolType: "consumer",
					RebalanceTimeout: rapid.SampledFrom([]time.Duration{0, 20 * time.Second}).Draw(t, "rebalance timeout"),
					Protocols:        []Protocol{{Name: "range", Metadata: []byte{byte(rapid.IntRange(0, 1).Draw(t, "topics"))}}},
					RequireMemberID:  rapid.Bool().Draw(t, "need id"),
				})
			},
			"sync": func(t *rapid.T) {
				ref++
				open[ref] = "sync"
				in := Sync{Ref: ref, MemberID: someone(), Generation: g.Generation - int32(rapid.IntRange(0, 1).Draw(t, "late")), Assignments: map[string][]byte{}}
				if m := g.Members[in.MemberID]; m != nil {
					in.InstanceID = m.InstanceID
				}
				for i, id := range g.memberIDs() {
					in.Assignments[id] = fmt.Append(nil, i, " by ", ref)
				}
				do(in)
			},
			"stored": func(t *rapid.T) {
				if len(toStore) > 0 {
					seq := toStore[0]
					toStore = toStore[1:]
					do(Stored{Seq: seq, Code: int16(rapid.SampledFrom([]int{0, 0, 15}).Draw(t, "code")), Appended: rapid.Bool().Draw(t, "appended")})
				}
			},
			"heartbeat": func(t *rapid.T) {
				ref++
				open[ref] = "done"
				do(Heartbeat{Ref: ref, MemberID: someone(), Generation: g.Generation})
			},
			"leave": func(t *rapid.T) {
				ref++
				open[ref] = "done"
				do(Leave{Ref: ref, Members: []Leaver{{MemberID: someone(), InstanceID: instance()}}})
			},
			"commit": func(t *rapid.T) {
				id, gen := someone(), g.Generation-1
				if gen >= 0 && len(g.Members) > 0 {
					require.NotZero(t, g.CheckCommit(now, id, "", gen), "a commit of an old generation")
				}
			},
			"tick": func(t *rapid.T) {
				if at, ok := g.NextDeadline(); ok {
					now = max(now, at)
				}
				do(Tick{})
				if at, ok := g.NextDeadline(); ok {
					require.Greater(t, at, now, "a Tick deals with what is due")
				}
			},
		})
		// Left alone, every group comes to rest and answers everybody.
		for range 50_000 { // whoever waits for static members that are away looks once per rebalance timeout
			for len(toStore) > 0 {
				seq := toStore[0]
				toStore = toStore[1:]
				do(Stored{Seq: seq})
			}
			at, ok := g.NextDeadline()
			if !ok {
				break
			}
			now = max(now, at)
			do(Tick{})
		}
		require.Empty(t, open, "requests that were never answered")
		require.Equal(t, Empty, g.State)
	})
}
