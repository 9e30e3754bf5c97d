package sim

// Shared is the value that the world keeps under a key; the first call for it
// makes it. It is for what parts of a world have in common without anything in
// the world depending on it, such as caches. Keys follow the rules of those of
// a context.
func (k *Kernel) Shared(key any, make func() any) any {
	v, ok := k.shared[key]
	if !ok {
		v = make()
		k.shared[key] = v
	}
	return v
}
