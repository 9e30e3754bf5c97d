package metadata

// Feature is a part of a cluster's behaviour that has versions of its own, one of
// which is in force (KIP-584).
type Feature struct {
	Name    string
	Min     int16 // the oldest version that brokers of this program know
	Max     int16 // and the newest
	Initial int16 // in force in a cluster that has never been told otherwise; 0 is none
}

// TransactionVersion is the feature that says how far transactions go (KIP-890):
// 0 as before it, 1 with the fields of KIP-890 in their records, 2 with a new
// producer epoch for every transaction of clients that can do with it.
const TransactionVersion = "transaction.version"

// GroupVersion is the feature that says which protocols of groups there are: with 0
// only the classic one, from 1 on that of KIP-848 too.
const GroupVersion = "group.version"

// ShareVersion is the feature that says whether there are share groups (KIP-932): from 1
// on.
const ShareVersion = "share.version"

// features are those of this program, by name. Eligible leader replicas
// (KIP-966) are always kept.
var features = [...]Feature{
	{Name: "eligible.leader.replicas.version", Min: 1, Max: 1, Initial: 1},
	{Name: GroupVersion, Min: 0, Max: 1, Initial: 1},
	{Name: ShareVersion, Min: 0, Max: 1, Initial: 1},
	{Name: TransactionVersion, Min: 0, Max: 2, Initial: 2},
}

// Features are the features of this program. The list is the caller's.
func Features() []Feature { return append([]Feature(nil), features[:]...) }

// FeatureLevel is the version of a feature that is in force, 0 if none is.
func (i *Image) FeatureLevel(name string) int16 {
	if i != nil {
		if level, ok := i.features[name]; ok {
			return level
		}
	}
	for _, f := range features {
		if f.Name == name {
			return f.Initial
		}
	}
	return 0
}
