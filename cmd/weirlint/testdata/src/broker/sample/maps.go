package sample

import (
	"maps"
	"reflect"
	"slices"
	"sort"
)

type set map[string]bool

func walks(m map[string]int, s set) (n int) {
	for k := range m { // want `walk over a map in simulated code: the order of a map is random; use env.SortedKeys, or sort; if the order cannot matter, mark the line with //weir:ordered`
		n += len(k)
	}
	for range s {
		n++
	}
	for _, v := range m { //weir:ordered a sum
		n += v
	}
	//weir:ordered a sum as well
	for _, v := range m {
		n += v
	}
	for _, v := range m { //weir:ordered // want `walk over a map` `//weir:ordered needs a reason`
		n += v
	}
	//weir:ordered nothing here // want `//weir:ordered marks nothing`
	return n
}

func collected(m map[string]int, s set) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var more []string
	for k := range s {
		more = append(more, k)
	}
	sort.Strings(more)
	var unsorted []string
	for k := range s { // want `walk over a map`
		unsorted = append(unsorted, k)
	}
	var values []int
	for _, v := range m { // want `walk over a map`
		values = append(values, v)
	}
	slices.Sort(values)
	return append(keys, more...)
}

func sortedTooEarly(m map[string]int) (keys []string) {
	slices.Sort(keys)
	for k := range m { // want `walk over a map`
		keys = append(keys, k)
	}
	return keys
}

func generic[M ~map[K]V, K comparable, V any](m M, copy func(K, V)) {
	for k, v := range m { // want `walk over a map`
		copy(k, v)
	}
}

func iterators(m map[string]int) []string {
	for k := range maps.Keys(m) { // want `maps.Keys in simulated code: the order of a map is random`
		_ = k
	}
	_ = slices.Collect(maps.Values(m)) // want `maps.Values in simulated code`
	_ = reflect.ValueOf(m).MapKeys()   // want `MapKeys in simulated code: the order of a map is random`
	_ = maps.Clone(m)
	_ = slices.SortedFunc(maps.Values(m), func(a, b int) int { return a/10 - b/10 }) // want `maps.Values in simulated code`
	return slices.Sorted(maps.Keys(m))
}

type index struct{ gone []string }

func (i *index) drop(string, int) bool { return true }

func callbacks(m map[string]int, i *index) (gone []string) {
	maps.DeleteFunc(m, func(k string, v int) bool { return v > len(k) })
	maps.DeleteFunc(m, func(k string, v int) bool {
		half := v / 2
		half++
		return half > len(k)
	})
	maps.DeleteFunc(m, func(k string, v int) bool { // want `what maps.DeleteFunc calls in simulated code does more than look at one entry: the order of a map is random`
		gone = append(gone, k)
		return true
	})
	maps.DeleteFunc(m, func(k string, v int) bool { // want `what maps.DeleteFunc calls`
		i.gone = append(i.gone, k)
		return true
	})
	maps.DeleteFunc(m, func(k string, v int) bool { // want `what maps.DeleteFunc calls`
		i.drop(k, v)
		return true
	})
	maps.DeleteFunc(m, i.drop) // want `what maps.DeleteFunc calls`
	n := 0
	maps.DeleteFunc(m, func(string, int) bool { //weir:ordered counted
		n++
		return true
	})
	_ = maps.EqualFunc(m, m, func(a, b int) bool { // want `what maps.EqualFunc calls`
		n = a
		return a == b
	})
	return gone
}
