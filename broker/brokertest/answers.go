package brokertest

import (
	"reflect"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller"
)

// selection is the part of a request that a fault concerns.
type selection struct {
	topic     string // all if empty
	id        [16]byte
	partition int32 // all if negative
}

// selects is the part of requests to a broker that the fault concerns.
func (f *Fault) selects(broker int32) selection {
	s := selection{topic: f.on.topic, partition: f.on.partition}
	if s.topic == "" {
		return s
	}
	if b := f.on.cluster.nodes[broker-1].running(); b != nil {
		image, _ := b.Metadata()
		if t := image.Topic(s.topic); t != nil {
			s.id = t.ID
		}
	}
	return s
}

// hasTopic reports whether a topic of a message, a struct, is selected.
func (s selection) hasTopic(topic reflect.Value) bool {
	if s.topic == "" {
		return true
	}
	if id := topic.FieldByName("TopicID"); id.IsValid() && s.id != [16]byte{} && id.Interface() == s.id {
		return true
	}
	name := topic.FieldByName("Topic")
	if name.IsValid() && name.Kind() == reflect.Pointer {
		name = name.Elem()
	}
	return name.IsValid() && name.String() == s.topic
}

// hasPartition reports whether a partition of a topic that is selected is so too:
// a struct or its number.
func (s selection) hasPartition(partition reflect.Value) bool {
	if partition.Kind() == reflect.Struct {
		partition = partition.FieldByName("Partition")
	}
	return s.partition < 0 || int64(s.partition) == partition.Int()
}

// named reports whether a request is about anything that is selected.
func (s selection) named(req kmsg.Request) bool {
	return s.namedIn(reflect.ValueOf(req).Elem())
}

func (s selection) namedIn(v reflect.Value) bool {
	topics := v.FieldByName("Topics")
	if topics.IsValid() && topics.IsNil() && !v.FieldByName("TopicNames").IsValid() {
		return true // all there are
	}
	if names, ok := field[[]string](v, "TopicNames"); ok && slices.Contains(names, s.topic) {
		return true
	}
	for t := range elements(topics) {
		if t.Kind() != reflect.Struct || !s.hasTopic(t) {
			continue
		}
		partitions := t.FieldByName("Partitions")
		if !partitions.IsValid() || s.partition < 0 || partitions.Kind() != reflect.Slice {
			return true
		}
		for p := range elements(partitions) {
			if s.hasPartition(p) {
				return true
			}
		}
	}
	for g := range elements(v.FieldByName("Groups")) { // OffsetFetch has topics by group
		if g.Kind() == reflect.Struct && g.FieldByName("Topics").IsValid() && s.namedIn(g) {
			return true
		}
	}
	return false
}

// elements are the elements of a slice, none if v is no slice.
func elements(v reflect.Value) func(func(reflect.Value) bool) {
	return func(yield func(reflect.Value) bool) {
		if !v.IsValid() || v.Kind() != reflect.Slice {
			return
		}
		for i := range v.Len() {
			if !yield(v.Index(i)) {
				return
			}
		}
	}
}

func field[T any](v reflect.Value, name string) (value T, ok bool) {
	if f := v.FieldByName(name); f.IsValid() {
		value, ok = f.Interface().(T)
	}
	return value, ok
}

// perPartition reports whether requests of a kind ask for something of single
// partitions, each of which has an error code of its own in the answer.
func perPartition(key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.OffsetForLeaderEpoch, kmsg.DeleteRecords,
		kmsg.InitializeShareGroupState, kmsg.ReadShareGroupState, kmsg.WriteShareGroupState, kmsg.DeleteShareGroupState, kmsg.ReadShareGroupStateSummary:
		return true
	}
	return false
}

// spoilable reports whether answers of a kind are made by the broker also where
// they have errors, since they say more than that.
func spoilable(key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.Metadata, kmsg.DescribeConfigs, kmsg.DescribeLogDirs, kmsg.DescribeProducers, kmsg.DescribeTopicPartitions:
		return true
	}
	return false
}

// refusable reports whether an answer of a kind can carry an error.
func refusable(key int16) bool {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return false
	}
	if perPartition(key) || spoilable(key) || controller.Refuse(req, kerr.UnknownServerError, "") != nil {
		return true
	}
	switch kmsg.Key(key) {
	case kmsg.OffsetFetch, kmsg.FindCoordinator, kmsg.DescribeGroups, kmsg.ConsumerGroupDescribe, kmsg.ShareGroupDescribe, kmsg.DescribeShareGroupOffsets,
		kmsg.DeleteGroups, kmsg.WriteTxnMarkers, kmsg.DescribeTransactions, kmsg.AlterReplicaLogDirs:
		return true
	}
	_, ok := field[int16](reflect.ValueOf(req.ResponseKind()).Elem(), "ErrorCode")
	return ok
}

// refuse is an answer that has an error for what is selected of a request, and
// nothing else. It is nil where only the broker can make the answer: then spoil
// puts the error into it.
func refuse(req kmsg.Request, err *kerr.Error, chosen selection) kmsg.Response {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if d, ok := resp.(interface{ Default() }); ok {
		d.Default()
	}
	whole := reflect.ValueOf(resp).Elem().FieldByName("ErrorCode")
	switch req := req.(type) {
	case *kmsg.FetchRequest:
		if err == kerr.FetchSessionIDNotFound || err == kerr.InvalidFetchSessionEpoch {
			whole.SetInt(int64(err.Code))
			return resp
		}
	case *kmsg.OffsetFetchRequest:
		if chosen.topic != "" || req.Version < 2 {
			return nil
		}
		if req.Version < 8 {
			whole.SetInt(int64(err.Code))
			return resp
		}
		for _, g := range req.Groups {
			out := kmsg.NewOffsetFetchResponseGroup()
			out.Group, out.ErrorCode = g.Group, err.Code
			answer := resp.(*kmsg.OffsetFetchResponse)
			answer.Groups = append(answer.Groups, out)
		}
		return resp
	case *kmsg.FindCoordinatorRequest:
		answer := resp.(*kmsg.FindCoordinatorResponse)
		answer.NodeID, answer.Port = -1, -1
		if req.Version < 4 {
			answer.ErrorCode = err.Code
		}
		for _, key := range req.CoordinatorKeys {
			out := kmsg.NewFindCoordinatorResponseCoordinator()
			out.Key, out.ErrorCode, out.NodeID, out.Port = key, err.Code, -1, -1
			answer.Coordinators = append(answer.Coordinators, out)
		}
		return resp
	case *kmsg.DescribeGroupsRequest:
		return refuseGroups(req.Groups, resp, err.Code)
	case *kmsg.ConsumerGroupDescribeRequest:
		return refuseGroups(req.Groups, resp, err.Code)
	case *kmsg.ShareGroupDescribeRequest:
		return refuseGroups(req.GroupIDs, resp, err.Code)
	case *kmsg.DescribeShareGroupOffsetsRequest:
		names := make([]string, len(req.Groups))
		for i := range req.Groups {
			names[i] = req.Groups[i].GroupID
		}
		return refuseGroups(names, resp, err.Code)
	case *kmsg.DeleteGroupsRequest:
		return refuseGroups(req.Groups, resp, err.Code)
	case *kmsg.AddPartitionsToTxnRequest:
		if req.Version < 4 {
			refusePartitions(req, resp, err.Code, chosen)
			return resp
		}
	case *kmsg.DescribeTransactionsRequest:
		answer := resp.(*kmsg.DescribeTransactionsResponse)
		for _, id := range req.TransactionalIDs {
			out := kmsg.NewDescribeTransactionsResponseTransactionState()
			out.TransactionalID, out.ErrorCode = id, err.Code
			answer.TransactionStates = append(answer.TransactionStates, out)
		}
		return resp
	case *kmsg.WriteTxnMarkersRequest:
		answer := resp.(*kmsg.WriteTxnMarkersResponse)
		for _, m := range req.Markers {
			out := kmsg.NewWriteTxnMarkersResponseMarker()
			out.ProducerID = m.ProducerID
			for _, t := range m.Topics {
				topic := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
				topic.Topic = t.Topic
				for _, n := range t.Partitions {
					topic.Partitions = append(topic.Partitions, kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: n, ErrorCode: err.Code})
				}
				out.Topics = append(out.Topics, topic)
			}
			answer.Markers = append(answer.Markers, out)
		}
		return resp
	case *kmsg.AlterReplicaLogDirsRequest:
		answer := resp.(*kmsg.AlterReplicaLogDirsResponse)
		for i := range req.Dirs {
			for _, t := range req.Dirs[i].Topics {
				topic := kmsg.NewAlterReplicaLogDirsResponseTopic()
				topic.Topic = t.Topic
				for _, n := range t.Partitions {
					topic.Partitions = append(topic.Partitions, kmsg.AlterReplicaLogDirsResponseTopicPartition{Partition: n, ErrorCode: err.Code})
				}
				answer.Topics = append(answer.Topics, topic)
			}
		}
		return resp
	case *kmsg.ApiVersionsRequest:
		if err == kerr.UnsupportedVersion { // the one answer that any client can read (KIP-511)
			resp.SetVersion(0)
		}
	}
	switch {
	case spoilable(req.Key()):
		return nil
	case perPartition(req.Key()):
		refusePartitions(req, resp, err.Code, chosen)
		return resp
	}
	if refused := controller.Refuse(req, err, "brokertest: asked for by the test"); refused != nil {
		refused.SetVersion(req.GetVersion())
		return refused
	}
	whole.SetInt(int64(err.Code))
	return resp
}

// refuseGroups gives each group of a request the error.
func refuseGroups(names []string, resp kmsg.Response, code int16) kmsg.Response {
	out := reflect.ValueOf(resp).Elem().FieldByName("Groups")
	for _, name := range names {
		group := blank(out.Type().Elem())
		for _, field := range []string{"Group", "GroupID"} {
			if f := group.FieldByName(field); f.IsValid() {
				f.SetString(name)
			}
		}
		group.FieldByName("ErrorCode").SetInt(int64(code))
		out.Set(reflect.Append(out, group))
	}
	return resp
}

// refusePartitions gives an answer the selected partitions of a request, with an
// error for each.
func refusePartitions(req kmsg.Request, resp kmsg.Response, code int16, chosen selection) {
	out := reflect.ValueOf(resp).Elem().FieldByName("Topics")
	for t := range elements(reflect.ValueOf(req).Elem().FieldByName("Topics")) {
		if !chosen.hasTopic(t) {
			continue
		}
		topic := blank(out.Type().Elem())
		copyField(topic, t, "Topic")
		copyField(topic, t, "TopicID")
		partitions := topic.FieldByName("Partitions")
		for p := range elements(t.FieldByName("Partitions")) {
			if chosen.hasPartition(p) {
				partition := blank(partitions.Type().Elem())
				if p.Kind() == reflect.Struct {
					copyField(partition, p, "Partition")
				} else {
					partition.FieldByName("Partition").Set(p)
				}
				partition.FieldByName("ErrorCode").SetInt(int64(code))
				partitions.Set(reflect.Append(partitions, partition))
			}
		}
		if partitions.Len() > 0 {
			out.Set(reflect.Append(out, topic))
		}
	}
}

// blank is a part of a message as an answer with an error has it.
func blank(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(interface{ Default() }); ok {
		d.Default()
	}
	for _, name := range []string{"BaseOffset", "LogAppendTime", "LogStartOffset", "HighWatermark", "LastStableOffset", "Offset", "Timestamp", "LowWatermark", "EndOffset"} {
		if f := v.Elem().FieldByName(name); f.IsValid() && f.Kind() == reflect.Int64 {
			f.SetInt(-1)
		}
	}
	return v.Elem()
}

func copyField(to, from reflect.Value, name string) {
	if f, t := from.FieldByName(name), to.FieldByName(name); f.IsValid() && t.IsValid() {
		t.Set(f)
	}
}

// leaveOut takes what is selected out of a request, and reports whether anything
// is left to do.
func leaveOut(req kmsg.Request, chosen selection) bool {
	if chosen.topic == "" || !perPartition(req.Key()) {
		return false
	}
	topics := reflect.ValueOf(req).Elem().FieldByName("Topics")
	left := reflect.MakeSlice(topics.Type(), 0, topics.Len())
	for t := range elements(topics) {
		if chosen.hasTopic(t) {
			partitions := t.FieldByName("Partitions")
			kept := reflect.MakeSlice(partitions.Type(), 0, partitions.Len())
			for p := range elements(partitions) {
				if !chosen.hasPartition(p) {
					kept = reflect.Append(kept, p)
				}
			}
			if partitions.Set(kept); kept.Len() == 0 {
				continue
			}
		}
		left = reflect.Append(left, t)
	}
	topics.Set(left)
	return left.Len() > 0
}

// merge puts what was refused into the answer of the rest. An answer that tells
// of no partitions is replaced as a whole.
func merge(resp, refused kmsg.Response) kmsg.Response {
	if resp == nil || !perPartition(resp.Key()) {
		return refused
	}
	topics := reflect.ValueOf(resp).Elem().FieldByName("Topics")
	for t := range elements(reflect.ValueOf(refused).Elem().FieldByName("Topics")) {
		mergeTopic(topics, t)
	}
	copyErrorCode(resp, refused)
	return resp
}

func copyErrorCode(resp, refused kmsg.Response) {
	if code, ok := field[int16](reflect.ValueOf(refused).Elem(), "ErrorCode"); ok && code != 0 {
		reflect.ValueOf(resp).Elem().FieldByName("ErrorCode").SetInt(int64(code))
	}
}

func mergeTopic(topics, refused reflect.Value) {
	for t := range elements(topics) {
		if !sameTopic(t, refused) {
			continue
		}
		partitions := t.FieldByName("Partitions")
		for p := range elements(refused.FieldByName("Partitions")) {
			mergePartition(partitions, p)
		}
		return
	}
	topics.Set(reflect.Append(topics, refused))
}

func mergePartition(partitions, refused reflect.Value) {
	for p := range elements(partitions) {
		if p.FieldByName("Partition").Int() == refused.FieldByName("Partition").Int() {
			p.Set(refused)
			return
		}
	}
	partitions.Set(reflect.Append(partitions, refused))
}

func sameTopic(a, b reflect.Value) bool {
	for _, name := range []string{"Topic", "TopicID"} {
		if x := a.FieldByName(name); x.IsValid() && x.Interface() != b.FieldByName(name).Interface() {
			return false
		}
	}
	return true
}

// spoil puts an error into an answer that the broker has made.
func spoil(resp kmsg.Response, code int16, chosen selection) {
	switch resp := resp.(type) {
	case *kmsg.MetadataResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if !chosen.hasTopic(reflect.ValueOf(t).Elem()) {
				continue
			}
			if chosen.partition < 0 {
				t.ErrorCode, t.Partitions = code, nil
			}
			for j := range t.Partitions {
				if p := &t.Partitions[j]; p.Partition == chosen.partition {
					p.ErrorCode, p.Leader, p.LeaderEpoch = code, -1, -1
				}
			}
		}
	case *kmsg.OffsetFetchResponse:
		spoilPartitions(reflect.ValueOf(resp).Elem(), code, chosen)
		for i := range resp.Groups {
			spoilPartitions(reflect.ValueOf(&resp.Groups[i]).Elem(), code, chosen)
		}
	case *kmsg.DescribeProducersResponse:
		spoilPartitions(reflect.ValueOf(resp).Elem(), code, chosen)
	case *kmsg.DescribeTopicPartitionsResponse:
		for i := range resp.Topics {
			if t := &resp.Topics[i]; chosen.hasTopic(reflect.ValueOf(t).Elem()) {
				t.ErrorCode, t.Partitions = code, nil
			}
		}
	case *kmsg.DescribeConfigsResponse:
		for i := range resp.Resources {
			resp.Resources[i].ErrorCode, resp.Resources[i].Configs = code, nil
		}
	case *kmsg.DescribeLogDirsResponse:
		resp.ErrorCode = code
		for i := range resp.Dirs {
			resp.Dirs[i].ErrorCode, resp.Dirs[i].Topics = code, nil
		}
	}
}

func spoilPartitions(v reflect.Value, code int16, chosen selection) {
	for t := range elements(v.FieldByName("Topics")) {
		if !chosen.hasTopic(t) {
			continue
		}
		for p := range elements(t.FieldByName("Partitions")) {
			if chosen.hasPartition(p) {
				bad := blank(p.Type())
				copyField(bad, p, "Partition")
				bad.FieldByName("ErrorCode").SetInt(int64(code))
				p.Set(bad)
			}
		}
	}
}
