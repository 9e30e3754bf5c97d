package replication

import (
	"math/bits"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/broker/storage"
)

// replicaKinds are the kinds of states of replicas, by role.
var replicaKinds = [...]string{RoleNone: "replica none", RoleFollower: "replica follower", RoleLeader: "replica leader"}

// tellLab tells a laboratory which rules decided and what the State asks for.
// mu is held.
func (p *partition) tellLab(out []Output) {
	lab := p.m.lab
	if lab == nil {
		return
	}
	role := p.state.Role()
	for g := p.state.Decided(); g != 0; g &= g - 1 {
		lab.Reached("guard", guardNames[bits.TrailingZeros32(uint32(g))], role.String())
	}
	for i := range out {
		detail := ""
		if out[i].Code != 0 {
			detail = codeName(out[i].Code)
		}
		lab.Reached(replicaKinds[role], out[i].Kind.String(), detail)
	}
}

// codeName is what Kafka calls an error code.
func codeName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return "NONE"
}

// tellCleaned tells a laboratory what a cleaning came to.
func (m *Manager) tellCleaned(r storage.CleanResult) {
	for what, happened := range map[string]bool{ //weir:ordered each is counted for itself
		"segments replaced": r.Segments > 0,
		"records removed":   r.Removed > 0,
		"tombstones wait":   r.Pending > 0,
	} {
		if happened {
			m.lab.Reached("cleaner", what, "")
		}
	}
}
