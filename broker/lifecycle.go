package broker

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

const registrationBackoff = 200 * time.Millisecond

// stayRegistered keeps this broker known to the controller: it registers, then
// sends heartbeats, by which the controller knows that it lives and unfences
// it once it has caught up with the metadata (KIP-631). A controller that has
// forgotten the registration makes it register again. When the node stops, the
// controller moves its leaders away first.
func (b *Broker) stayRegistered() {
	for {
		if !b.register() {
			return
		}
		if !b.heartbeat() {
			b.leave()
			return
		}
	}
}

// register tries until the broker is registered; it reports false if the node
// is to stop, or has failed, before that.
func (b *Broker) register() bool {
	for b.Err() == nil { // a broker whose disk failed continues no registration
		cluster := b.controller.ClusterID()
		if cluster == "" { // the first controller has yet to name it
			if b.stopping.Wait(registrationBackoff) {
				return false
			}
			continue
		}
		req := kmsg.NewPtrBrokerRegistrationRequest()
		req.BrokerID, req.ClusterID, req.IncarnationID = b.cfg.NodeID, cluster, b.incarnation
		req.LogDirs = b.onlineDirectories()
		req.PreviousBrokerEpoch = b.previous
		req.Rack = rackPtr(b.cfg.Rack)
		req.Listeners = []kmsg.BrokerRegistrationRequestListener{b.registeredListener()}
		req.SetVersion(4)
		if resp, err := b.toController(req, b.cfg.BrokerHeartbeat); err == nil {
			r := resp.(*kmsg.BrokerRegistrationResponse)
			if r.ErrorCode == 0 {
				if d, err := b.note.write(life{Epoch: r.BrokerEpoch, BootID: b.e.BootID()}); err != nil {
					if b.dirError(d, fmt.Errorf("broker: %w", err)); b.Err() != nil {
						return false
					}
				}
				b.previous = r.BrokerEpoch
				b.epoch.Store(r.BrokerEpoch)
				b.controller.Redeliver() // images with the registration passed by while it had no epoch
				b.e.Event("registered", env.Int("broker", b.cfg.NodeID), env.Int("epoch", r.BrokerEpoch))
				return true
			}
		}
		if b.stopping.Wait(registrationBackoff) {
			return false
		}
	}
	return false
}

func (b *Broker) registeredListener() kmsg.BrokerRegistrationRequestListener {
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name = "PLAINTEXT"
	host, port, _ := net.SplitHostPort(b.cfg.advertised()) // checked by Config.Check
	n, _ := strconv.ParseUint(port, 10, 16)
	l.Host, l.Port = host, uint16(n)
	return l
}

// heartbeat keeps the session until the node is to stop (false) or must
// register again (true).
func (b *Broker) heartbeat() (again bool) {
	fenced := true
	for {
		resp, err := b.sendHeartbeat(false, b.cfg.BrokerHeartbeat)
		wait := b.cfg.BrokerHeartbeat
		switch {
		case err != nil:
			wait = registrationBackoff
		case resp.ErrorCode == kerr.StaleBrokerEpoch.Code, resp.ErrorCode == kerr.BrokerIDNotRegistered.Code:
			b.e.Event("registration-lost", env.Int("broker", b.cfg.NodeID), env.Int("epoch", b.epoch.Load()))
			return !b.stopping.Wait(registrationBackoff)
		case resp.ErrorCode != 0:
			wait = registrationBackoff
		default:
			if resp.IsFenced != fenced {
				fenced = resp.IsFenced
				name := "unfenced"
				if fenced {
					name = "fenced"
				}
				b.e.Event(name, env.Int("broker", b.cfg.NodeID), env.Int("epoch", b.epoch.Load()))
			}
			if fenced { // nothing works before the controller lets us in
				wait = min(wait, registrationBackoff)
			}
		}
		b.pulse.wait(wait)
		// A session lasts for several heartbeats, so one may be late.
		if d := b.e.Lab().Late("broker/heartbeat-late", b.cfg.BrokerHeartbeat); d > 0 {
			b.stopping.Wait(d)
		}
		if b.stopping.IsSet() {
			return false
		}
	}
}

func (b *Broker) sendHeartbeat(wantShutdown bool, timeout time.Duration) (*kmsg.BrokerHeartbeatResponse, error) {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch = b.cfg.NodeID, b.epoch.Load()
	req.CurrentMetadataOffset = b.applied.Load().Offset()
	req.WantShutdown, req.OfflineLogDirs = wantShutdown, b.failedDirectories()
	req.SetVersion(1)
	resp, err := b.toController(req, timeout)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.BrokerHeartbeatResponse), nil
}

// leavePatience is how long a node that stops waits for a controller to answer
// at all.
const leavePatience = 2 * time.Second

// leave asks the controller to move this broker's leaders away. It gives up
// after Config.ControlledShutdown, and sooner if no controller answers: when
// the last nodes of a cluster stop there is nobody left to ask.
func (b *Broker) leave() {
	end, answered := b.e.Now()+b.cfg.ControlledShutdown, b.e.Now()
	for unanswered := 0; unanswered < 5; {
		left := min(end, answered+leavePatience) - b.e.Now()
		if left <= 0 {
			return
		}
		resp, err := b.sendHeartbeat(true, min(left, b.cfg.BrokerHeartbeat))
		if err == nil && resp.ErrorCode == 0 && resp.ShouldShutdown {
			return
		}
		if err != nil || resp.ErrorCode != 0 {
			unanswered++
		} else {
			answered = b.e.Now()
		}
		b.e.Sleep(min(left, 100*time.Millisecond))
	}
}
