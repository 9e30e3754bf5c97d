package regress

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Resolve finds or makes the program for one side: name is the file of a weir
// binary, a directory with Weir's sources, or a revision of the git repository
// of the working directory. What is built goes below dir under the given file
// name.
func Resolve(ctx context.Context, name, dir, file string) (Build, error) {
	b := Build{Name: name}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		b.Binary = filepath.Join(dir, file)
		err = compile(ctx, name, b.Binary)
	case err == nil:
		b.Binary, err = filepath.Abs(name)
	default:
		b.Binary = filepath.Join(dir, file)
		b.Commit, err = checkOut(ctx, name, filepath.Join(dir, file+"-source"))
		if err == nil {
			err = compile(ctx, filepath.Join(dir, file+"-source"), b.Binary)
		}
	}
	if err != nil {
		return b, err
	}
	b.SHA256, err = digest(b.Binary)
	return b, err
}

// checkOut unpacks a revision into a directory and returns its full name.
// Nothing in the repository changes.
func checkOut(ctx context.Context, revision, dir string) (string, error) {
	out, err := output(ctx, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("%s is neither a file nor a directory, nor a revision that git knows here", revision)
	}
	commit := strings.TrimSpace(string(out))
	top, err := output(ctx, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	archive := exec.CommandContext(ctx, "git", "-C", strings.TrimSpace(string(top)), "archive", "--format=tar", commit)
	pipe, err := archive.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := archive.Start(); err != nil {
		return "", err
	}
	unpacked := unpack(pipe, dir)
	_, _ = io.Copy(io.Discard, pipe) // or git would wait for a reader
	if err := errors.Join(unpacked, archive.Wait()); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", revision, err)
	}
	return commit, nil
}

func unpack(r io.Reader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // names stay below it
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(strings.TrimSuffix(h.Name, "/"), 0o755)
		case tar.TypeReg:
			err = unpackFile(root, h.Name, t)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, r io.Reader) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func compile(ctx context.Context, source, binary string) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "./cmd/weir")
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", source, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// output runs a command and returns what it printed.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%s %s: %s", name, args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
