// Package inside is below env, which -packages names without "/...".
package inside

func run(fn func()) { go fn() }
