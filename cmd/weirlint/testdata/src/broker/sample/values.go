package sample

import "math"

func floats(a float64, n int64) (int64, string) {
	if a > 1 { // want `comparison of floating-point numbers in simulated code`
		return int64(a), "" // want `conversion of a floating-point number to an integer`
	}
	if a == math.Pi { // want `comparison of floating-point numbers`
		return int64(2.0), ""
	}
	if float64(n) < a { //weir:allow only shown to people
		return 0, "less"
	}
	return n, ""
}

type table struct{ rows map[string]int }

var (
	limit   = 7
	names   = map[string]int{"a": 1}
	one     table
	pointer = &table{}
	codes   [4]int
)

func init() {
	names["b"] = 2
	limit++
}

func (t *table) add(k string) { t.rows[k]++ }

func (t table) get(k string) int { return t.rows[k] }

func globals() int {
	limit = 8            // want `package variable limit changes in simulated code \(it is assigned to\)`
	limit++              // want `package variable limit changes in simulated code \(it is counted up or down\)`
	names["c"] = 3       // want `package variable names changes`
	delete(names, "a")   // want `package variable names changes in simulated code \(its content is changed\)`
	one.rows = nil       // want `package variable one changes`
	one.add("x")         // want `package variable one changes in simulated code \(a method with a pointer receiver is called on it\)`
	pointer.rows = nil   // want `package variable pointer changes`
	codes[1] = 2         // want `package variable codes changes`
	p := &limit          // want `package variable limit changes in simulated code \(its address is taken\)`
	local, limit := 1, 2 // shadows
	limit++
	local++
	return *p + one.get("x") + names["a"] + codes[2] + len(pointer.rows)
}
