package controller

import (
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/planted"
)

// session is what the controller remembers of a broker's heartbeats. It is not
// in the log: a new controller starts everyone's session afresh.
type session struct {
	epoch          int64
	heardAt        time.Duration
	metadataOffset int64 // how far the broker has applied the log
	shutdownOffset int64 // offset by which it had lost all leaderships
}

// begin starts the sessions of a new controller's term.
func (m *machine) begin(now time.Duration, img *metadata.Image) {
	m.balanceAt = now + m.cfg.BalanceInterval
	m.sessions, m.due = map[int32]*session{}, now+m.cfg.BrokerSessionTimeout
	for _, b := range img.Brokers() {
		if !b.Fenced {
			m.sessions[b.ID] = &session{epoch: b.Epoch, heardAt: now, metadataOffset: -1, shutdownOffset: -1}
		}
	}
}

// deadline is when to look for sessions that end, Forever if there are none. None
// ends sooner: a heartbeat only puts it off, so that nothing is to be done for
// the others.
func (m *machine) deadline() time.Duration {
	if len(m.sessions) == 0 {
		return env.Forever
	}
	return m.due
}

// expire ends the sessions that are due and fences their brokers: all of them
// before partitions get new leaders, or one would succeed another for nothing,
// where unclean elections are allowed at the price of records.
func (m *machine) expire(now time.Duration, t *txn) {
	m.due = now + m.cfg.BrokerSessionTimeout
	var gone []int32
	for _, id := range env.SortedKeys(m.sessions) {
		s := m.sessions[id]
		if end := s.heardAt + m.cfg.BrokerSessionTimeout; now < end {
			m.due = min(m.due, end)
			continue
		}
		delete(m.sessions, id)
		if b := t.img().Broker(id); b != nil && b.Epoch == s.epoch && !b.Fenced {
			t.add(&metadata.BrokerStateRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: true})
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 || planted.Is("fenced-stays-in-isr") {
		return
	}
	m.brokerGone(t, gone...)
}

// setState fences, unfences or starts the controlled shutdown of a broker,
// with all that follows for partitions.
func (m *machine) setState(t *txn, b *metadata.Broker, fenced, shutdown bool) {
	if b.Fenced == fenced && b.InControlledShutdown == shutdown {
		return
	}
	t.add(&metadata.BrokerStateRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: fenced, InControlledShutdown: shutdown})
	if fenced || shutdown {
		m.brokerGone(t, b.ID)
	} else {
		m.brokerBack(t, b.ID)
	}
}

// registerBroker is BrokerRegistration (KIP-631). A broker id belongs to one
// incarnation until its session ends, so that two processes cannot share it.
// Who does not prove, by naming the epoch that the id has in the metadata, that
// nothing was lost since then may have lost anything (KIP-966): a restart after
// a crash, another disk, and every registration of an id that was unregistered
// meanwhile, for nothing is left to prove it by.
//
// A process may die before it has heard that it is registered, so that the next
// one names the epoch before. That is as good while the broker has not been
// unfenced since: nothing has been entrusted to it.
func (m *machine) registerBroker(now time.Duration, t *txn, req *kmsg.BrokerRegistrationRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.BrokerRegistrationResponse)
	refuse := func(err *kerr.Error) kmsg.Response {
		resp.ErrorCode, resp.BrokerEpoch = err.Code, -1
		return resp
	}
	cluster := t.img().ClusterID()
	if cluster == "" {
		cluster = m.cfg.ClusterID
	}
	switch {
	case cluster != "" && req.ClusterID != cluster:
		return refuse(kerr.InconsistentClusterID)
	case !validRegistration(req):
		return refuse(kerr.InvalidRegistration)
	}
	old := t.img().Broker(req.BrokerID)
	if old == nil && t.img().BrokerCount() >= maxBrokers {
		return refuse(kerr.PolicyViolation)
	}
	if old != nil && (old.Incarnation == req.IncarnationID || planted.Is("any-incarnation")) {
		// The answer to an earlier attempt was lost.
		m.touch(now, old, -1)
		resp.BrokerEpoch = old.Epoch
		return resp
	}
	if old != nil && !old.InControlledShutdown {
		if s := m.sessions[old.ID]; s != nil && s.epoch == old.Epoch && now-s.heardAt < m.cfg.BrokerSessionTimeout {
			return refuse(kerr.DuplicateBrokerRegistration)
		}
	}
	resp.BrokerEpoch = t.next()
	rack := ""
	if req.Rack != nil {
		rack = *req.Rack
	}
	l := req.Listeners[0]
	directories := sortedDirectories(req.LogDirs)
	r := &metadata.RegisterBrokerRecord{BrokerID: req.BrokerID, BrokerEpoch: t.next(), Incarnation: req.IncarnationID,
		Host: l.Host, Port: int32(l.Port), Rack: rack, Fenced: true, Directories: directories}
	trusted := old != nil && req.Version >= 3 && continues(req.PreviousBrokerEpoch, old)
	if trusted {
		r.Continues = req.PreviousBrokerEpoch
	}
	t.add(r)
	if trusted || planted.Is("trust-every-registration") {
		if trusted {
			m.directoriesLossy(t, req.BrokerID, old.Directories, directories)
		}
		m.brokerGone(t, req.BrokerID)
	} else {
		m.brokerLossy(t, req.BrokerID)
	}
	m.settleDirectories(t, req.BrokerID)
	m.touch(now, t.img().Broker(req.BrokerID), -1)
	return resp
}

// continues reports whether who lost nothing since the registration of that epoch
// lost nothing that old was relied on for.
func continues(epoch int64, old *metadata.Broker) bool {
	return epoch >= 0 && (epoch == old.Epoch || old.Continues > 0 && epoch == old.Continues)
}

// maxBrokers bounds the registrations that strangers can leave in the log.
const maxBrokers = 10000

// validRegistration checks what would be kept of a registration: everyone who
// asks for metadata is sent it.
func validRegistration(req *kmsg.BrokerRegistrationRequest) bool {
	if req.BrokerID < 0 || len(req.Listeners) == 0 || len(req.LogDirs) > maxDirectories {
		return false
	}
	l := req.Listeners[0]
	return l.Port > 0 && validName(l.Host, 255) && (req.Rack == nil || *req.Rack == "" || validName(*req.Rack, 255))
}

// validName reports whether a name has between one and limit bytes, all of them
// printable ASCII without spaces.
func validName(name string, limit int) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return name != "" && len(name) <= limit
}

// touch notes a sign of life.
func (m *machine) touch(now time.Duration, b *metadata.Broker, metadataOffset int64) *session {
	s := m.sessions[b.ID]
	if s == nil || s.epoch != b.Epoch {
		s = &session{epoch: b.Epoch, shutdownOffset: -1, metadataOffset: -1}
		if len(m.sessions) == 0 {
			m.due = now + m.cfg.BrokerSessionTimeout
		}
		m.sessions[b.ID] = s
	}
	s.heardAt = now
	s.metadataOffset = max(s.metadataOffset, metadataOffset)
	return s
}

// checkEpoch refuses requests of an earlier life of a broker.
func checkEpoch(img *metadata.Image, id int32, epoch int64) *kerr.Error {
	b := img.Broker(id)
	switch {
	case b == nil:
		return kerr.BrokerIDNotRegistered
	case b.Epoch != epoch:
		return kerr.StaleBrokerEpoch
	}
	return nil
}

// heartbeat is BrokerHeartbeat (KIP-631): it unfences a broker that has caught
// up with its own registration, fences it at its wish, and sees a controlled
// shutdown through.
func (m *machine) heartbeat(now time.Duration, t *txn, req *kmsg.BrokerHeartbeatRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
	if err := checkEpoch(t.img(), req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	b := t.img().Broker(req.BrokerID)
	applied := min(req.CurrentMetadataOffset, t.next()-1) // nobody has applied what does not exist
	s := m.touch(now, b, applied)
	resp.IsCaughtUp = applied >= b.Epoch
	m.directoriesOffline(t, b, req.OfflineLogDirs)
	b = t.img().Broker(req.BrokerID)
	switch {
	case b.Fenced && req.WantShutdown:
		resp.ShouldShutdown = true
	case b.Fenced:
		if resp.IsCaughtUp && !req.WantFence {
			m.setState(t, b, false, false)
		}
	case req.WantFence:
		m.setState(t, b, true, false)
	case req.WantShutdown || b.InControlledShutdown:
		if !b.InControlledShutdown {
			m.setState(t, b, false, true)
			s.shutdownOffset = t.next() - 1
		}
		// Others must have heard that it leads nothing any more, or their
		// clients would be sent to a broker that is gone.
		if m.everyoneHas(t.img(), max(s.shutdownOffset, b.Epoch), b.ID) {
			m.setState(t, t.img().Broker(b.ID), true, true)
			resp.ShouldShutdown = true
		}
	}
	resp.IsFenced = t.img().Broker(req.BrokerID).Fenced
	return resp
}

// everyoneHas reports whether all active brokers but one have applied the
// metadata up to offset.
func (m *machine) everyoneHas(img *metadata.Image, offset int64, except int32) bool {
	for _, b := range img.Brokers() {
		if s := m.sessions[b.ID]; b.ID != except && b.Active() && s != nil && s.metadataOffset < offset {
			return false
		}
	}
	return true
}

// unregisterBroker is UnregisterBroker (KIP-631): it forgets a broker, which
// stays a replica of what it had. It also stays eligible for what it held: if it
// was a mistake, nobody else may have that. Registering again ends this.
func (m *machine) unregisterBroker(t *txn, req *kmsg.UnregisterBrokerRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	b := t.img().Broker(req.BrokerID)
	if b == nil {
		resp.ErrorCode = kerr.BrokerIDNotRegistered.Code
		resp.ErrorMessage = message(fmt.Sprintf("Broker ID %d is not currently registered", req.BrokerID))
		return resp
	}
	delete(m.sessions, b.ID)
	t.add(&metadata.UnregisterBrokerRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch})
	m.brokerGone(t, b.ID)
	return resp
}

// producerIDBlock is how many producer ids a broker gets at once (KIP-730).
const producerIDBlock = 1000

// allocateProducerIDs is AllocateProducerIds (KIP-730).
func (m *machine) allocateProducerIDs(t *txn, req *kmsg.AllocateProducerIDsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	if err := checkEpoch(t.img(), req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	first := t.img().NextProducerID()
	if first > math.MaxInt64-producerIDBlock {
		resp.ErrorCode = kerr.UnknownServerError.Code // KIP-730: none are left
		return resp
	}
	if !planted.Is("producer-ids-twice") {
		t.add(&metadata.ProducerIDsRecord{BrokerID: req.BrokerID, BrokerEpoch: req.BrokerEpoch, NextProducerID: first + producerIDBlock})
	}
	resp.ProducerIDStart, resp.ProducerIDLen = first, producerIDBlock
	return resp
}
