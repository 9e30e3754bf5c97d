package program

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// changeDirectory has some replica of a partition moved into some log directory of
// its broker, perhaps the one that it is in, which calls another move off.
func (r *balancing) changeDirectory(part *placement) {
	broker := r.brokers[r.throttles.Intn(len(r.brokers))]
	resp, err := r.c.Request(broker, kmsg.NewPtrDescribeLogDirsRequest(), r.w.requestTimeout())
	if err != nil {
		return
	}
	dirs := resp.(*kmsg.DescribeLogDirsResponse).Dirs
	if len(dirs) == 0 {
		return
	}
	to := dirs[r.throttles.Intn(len(dirs))].Dir
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: to, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: r.name, Partitions: []int32{part.partition}}}}}
	answer, err := r.c.Request(broker, req, r.w.requestTimeout())
	if err != nil {
		return
	}
	code := int16(-1)
	if topics := answer.(*kmsg.AlterReplicaLogDirsResponse).Topics; len(topics) == 1 && len(topics[0].Partitions) == 1 {
		code = topics[0].Partitions[0].ErrorCode
	}
	r.e.Event("asked-for-directory", env.Text("partition", fmt.Sprintf("%s-%d", r.name, part.partition)), env.Int("broker", broker), env.Text("to", to), env.Int("error", code))
}
