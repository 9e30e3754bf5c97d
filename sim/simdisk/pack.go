package simdisk

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/s2"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim"
)

// What a disk holds would cost the memory of whoever runs the simulation, so
// all but the newest of it is kept compressed. Nobody who uses the disk can
// tell: the page cache counts bytes as they were written, and compressing and
// decompressing takes no time of the world. How small S2 makes a chunk may
// differ between architectures, so nothing may depend on it.
const (
	// hotChunks of a disk, 32 MiB, were filled last and are not compressed:
	// followers and consumers are about to read them.
	hotChunks = 512

	// viewChunks of a disk are the decompressed chunks that were read last.
	viewChunks = 32

	// knownChunks of a world, 32 MiB, were compressed last and are remembered:
	// replicas of a log have the same chunks at nearly the same time, and can
	// share the memory.
	knownChunks = 512
)

// packer compresses the chunks of one disk.
type packer struct {
	hot    int      // most that filled holds
	filled []cached // full and not compressed, oldest first, in a ring
	oldest int
	packed int64 // chunks, so far

	known *archive
	free  [][]byte // chunks of memory to be used again

	views    [viewChunks]view
	nextView int
}

// archive is the chunks that all disks of a world compressed last.
type archive struct {
	recent  [knownChunks]archived
	oldest  int
	byKey   map[uint64]int // places in recent
	scratch []byte         // to compress into
}

type archived struct {
	key          uint64
	data, packed []byte
}

// archiveKey is where a world keeps its archive.
type archiveKey struct{}

func archiveOf(k *sim.Kernel) *archive {
	return k.Shared(archiveKey{}, func() any {
		return &archive{byKey: make(map[uint64]int), scratch: make([]byte, s2.MaxEncodedLen(chunkBytes))}
	}).(*archive)
}

// keyOf is the same for equal chunks and seldom for others.
func keyOf(data []byte) uint64 {
	key := uint64(0)
	for at := 0; at < chunkBytes; at += 512 {
		key = env.Mix64(key ^ binary.LittleEndian.Uint64(data[at:]))
	}
	return key
}

// compress returns the compressed form of a chunk, which may be that of an
// equal one, and a chunk of memory that is free for it. It returns nil if the
// chunk does not become much smaller.
func (a *archive) compress(data []byte) (packed, free []byte) {
	key := keyOf(data)
	if i, ok := a.byKey[key]; ok && bytes.Equal(a.recent[i].data, data) {
		return a.recent[i].packed, data
	}
	small := s2.Encode(a.scratch, data)
	if len(small) > chunkBytes*3/4 {
		return nil, nil
	}
	packed = append(make([]byte, 0, len(small)), small...)
	place := &a.recent[a.oldest]
	if i, ok := a.byKey[place.key]; ok && i == a.oldest {
		delete(a.byKey, place.key)
	}
	free = place.data
	*place = archived{key, data, packed}
	a.byKey[key] = a.oldest
	a.oldest = (a.oldest + 1) % knownChunks
	return packed, free
}

// view is a decompressed copy of a chunk.
type view struct {
	packed, data []byte
}

// size is how many bytes a chunk holds.
func (c *chunk) size() int {
	if c.packed != nil {
		return chunkBytes
	}
	return len(c.data)
}

// buffer returns a chunk of memory with anything in it.
func (p *packer) buffer() []byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, chunkBytes)
}

// full is told of every chunk that has just become full, and compresses the
// oldest of them if there are too many.
func (p *packer) full(f *inode, ci int64) {
	c := cached{f, ci, f.d.losses}
	if len(p.filled) < p.hot {
		p.filled = append(p.filled, c)
		return
	}
	p.pack(&p.filled[p.oldest])
	p.filled[p.oldest] = c
	p.oldest = (p.oldest + 1) % p.hot
}

// pack compresses a chunk if it is still there, full, and no bytes of it are
// to be kept apart.
func (p *packer) pack(e *cached) {
	f := e.f
	if e.losses != f.d.losses || e.ci >= int64(len(f.chunks)) {
		return
	}
	c := &f.chunks[e.ci]
	if len(c.data) != chunkBytes || cap(c.data) != chunkBytes {
		return
	}
	if _, kept := f.old[e.ci]; kept {
		return
	}
	packed, free := p.known.compress(c.data)
	if packed == nil {
		return
	}
	p.packed++
	c.packed, c.data = packed, nil
	if free != nil {
		p.free = append(p.free, free)
	}
}

// view returns the bytes of a chunk for reading. They are valid until the
// next call.
func (p *packer) view(c *chunk) []byte {
	if c.packed == nil {
		return c.data
	}
	for i := range p.views {
		if v := &p.views[i]; len(v.packed) > 0 && &v.packed[0] == &c.packed[0] {
			return v.data
		}
	}
	v := &p.views[p.nextView]
	p.nextView = (p.nextView + 1) % viewChunks
	if v.data == nil {
		v.data = make([]byte, chunkBytes)
	}
	v.packed = c.packed
	decode(v.data, c.packed)
	return v.data
}

// unpack makes the bytes of a chunk writable.
func (p *packer) unpack(c *chunk) {
	if c.packed == nil {
		return
	}
	c.data = p.buffer()
	decode(c.data, c.packed)
	c.packed = nil
}

func decode(dst, packed []byte) {
	if got, err := s2.Decode(dst, packed); err != nil || len(got) != chunkBytes || &got[0] != &dst[0] {
		panic("simdisk: a compressed chunk does not decompress; this is a bug")
	}
}
