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
	return slices.Sorted(maps.Keys(m))
}
