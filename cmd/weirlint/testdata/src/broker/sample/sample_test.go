package sample

import (
	"testing"
	"time"
)

func TestMayDoWhatItLikes(t *testing.T) {
	go work()
	time.Sleep(1)
}
