package group

// inputName says what an input to a group is, for a laboratory.
func inputName(in Input) string {
	switch in := in.(type) {
	case Join:
		return "join"
	case Sync:
		return "sync"
	case Heartbeat:
		return "heartbeat"
	case Leave:
		return "leave"
	case Stored:
		if in.Code != 0 {
			return "not stored"
		}
		return "stored"
	case Tick:
		return "tick"
	}
	return "other"
}
