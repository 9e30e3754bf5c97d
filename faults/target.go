package faults

import (
	"fmt"
	"slices"
	"strings"
)

// Target says which broker a fault hits: by name ("broker-2"), or by the part
// it plays when the fault begins ("controller", "leader of orders-0",
// "follower of orders-0": the first replica in sync that does not lead; "it":
// the broker that the event is about which the fault has waited for; "all";
// "rack-1": all in that rack).
// Several are joined: "broker-1 and leader of orders-0".
type Target string

// It is the broker that the event of Fault.After is about, All are all brokers.
const (
	It  Target = "it"
	All Target = "all"
)

const joint = " and "

// Each lists the targets that are joined in t.
func (t Target) Each() []Target {
	var all []Target
	for s := range strings.SplitSeq(string(t), joint) {
		all = append(all, Target(s))
	}
	return all
}

// Join makes one target of several.
func Join(all ...Target) Target { return Target(strings.Join(toStrings(all), joint)) }

// Role is the way a Target names its broker.
type Role int

// The ways to name a broker.
const (
	ByName Role = iota
	Controller
	Leader
	Follower
	Concerned
	Everyone
	Rack
	Joined // several targets; see Each
)

const (
	controllerWord = "controller"
	leaderPrefix   = "leader of "
	followerPrefix = "follower of "
)

// Parse splits the target into its role and the broker name or partition.
func (t Target) Parse() (Role, string) {
	s := string(t)
	switch {
	case s == controllerWord:
		return Controller, ""
	case t == It:
		return Concerned, ""
	case t == All:
		return Everyone, ""
	case strings.Contains(s, joint):
		return Joined, ""
	case strings.HasPrefix(s, "rack-"):
		return Rack, s
	case strings.HasPrefix(s, leaderPrefix):
		return Leader, strings.TrimPrefix(s, leaderPrefix)
	case strings.HasPrefix(s, followerPrefix):
		return Follower, strings.TrimPrefix(s, followerPrefix)
	}
	return ByName, s
}

// LeaderOf is the target "leader of partition".
func LeaderOf(partition string) Target { return Target(leaderPrefix + partition) }

// FollowerOf is the target "follower of partition".
func FollowerOf(partition string) Target { return Target(followerPrefix + partition) }

// Validate says whether the target can exist in t.
func (t Target) Validate(topology Topology) error {
	role, name := t.Parse()
	switch role {
	case ByName:
		if !slices.Contains(topology.Brokers, name) {
			return fmt.Errorf("there is no broker %q; the brokers are %s, and controller, leader of <partition>, follower of <partition> and all also name some",
				name, summary(topology.Brokers))
		}
	case Rack:
		if !slices.Contains(topology.RackOf, name) {
			return fmt.Errorf("there is no rack %q; give cluster.racks, of which the scenario has %d", name, len(topology.Racks()))
		}
	case Joined:
		for _, one := range t.Each() {
			if err := one.Validate(topology); err != nil {
				return err
			}
		}
	case Leader, Follower:
		if !topology.has(name) {
			return fmt.Errorf("%q: there is no partition %q; the partitions are %s", string(t), name, summary(topology.Partitions))
		}
	}
	return nil
}
