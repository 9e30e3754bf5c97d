package protocol

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var rewrite = flag.Bool("rewrite", false, "write schemas.txt anew from the codec's source")

// TestSchemasAreThoseOfTheCodec reads the schema of every request from the
// source of the codec's decoder. After an upgrade of the codec run it with
// -rewrite.
func TestSchemasAreThoseOfTheCodec(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("sizes in the schemas are those of 64 bits, the larger ones")
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/twmb/franz-go/pkg/kmsg").Output()
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(out)), "generated.go"), nil, 0)
	require.NoError(t, err)
	decoders := map[string]*ast.FuncDecl{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "readFrom" {
			decoders[f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name] = f
		}
	}
	var text strings.Builder
	for key := range int16(kmsg.MaxKey + 1) {
		req := kmsg.RequestForKey(key)
		if req == nil {
			continue
		}
		typ := reflect.TypeOf(req).Elem()
		g := generator{t: t, of: typ.Name()}
		flexibleFrom := int16(0)
		for req.SetVersion(0); !req.IsFlexible() && flexibleFrom <= req.MaxVersion(); req.SetVersion(flexibleFrom) {
			flexibleFrom++
		}
		body := decoders[typ.Name()].Body
		fields := g.block(body.List, typ)
		fmt.Fprintf(&text, "%d %d %s\n", key, flexibleFrom, strings.Join(fields, " "))
	}
	if *rewrite {
		require.NoError(t, os.WriteFile("schemas.txt", []byte(text.String()), 0o644))
	}
	require.Equal(t, schemaText, text.String(), "the codec has changed: run this test with -rewrite")
}

type generator struct {
	t  *testing.T
	of string
}

// fixed are the sizes of what the codec's readers of that name read.
var fixed = map[string]string{"readBool": "1", "readInt8": "1", "readInt16": "2", "readUint16": "2", "readInt32": "4", "readInt64": "8",
	"readUuid": "16", "readString": "s", "readNullableString": "s", "readBytes": "b", "readNullableBytes": "b", "b.Float64": "8"}

// block turns the statements that decode a value of type typ into fields.
func (g *generator) block(stmts []ast.Stmt, typ reflect.Type) []string {
	var fields []string
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if f := g.read(s); f != "" {
				fields = append(fields, f)
			}
		case *ast.ExprStmt:
			if f := g.read(s); f != "" {
				fields = append(fields, f)
			}
		case *ast.BlockStmt:
			fields = append(fields, g.field(s, typ)...)
		case *ast.IfStmt:
			cond := source(s.Cond)
			switch {
			case cond == "isFlexible":
				fields = append(fields, g.tags(s.Body, typ))
			case strings.HasPrefix(cond, "version >= "):
				for _, f := range g.field(s.Body, typ) {
					fields = append(fields, versions(s.Cond)+":"+f)
				}
			case cond == "err != nil": // of a tagged field
			case strings.HasPrefix(cond, "version < ") && s.Else != nil: // null or not
				fields = append(fields, g.block(s.Body.List, typ)...)
				require.Equal(g.t, fields, append(fields[:len(fields)-1:len(fields)-1], g.block(s.Else.(*ast.BlockStmt).List, typ)...))
			default:
				require.Fail(g.t, "unknown condition", "%s: %s", g.of, cond)
			}
		}
	}
	return fields
}

// field turns the block that decodes one field into it.
func (g *generator) field(b *ast.BlockStmt, typ reflect.Type) []string {
	var array *ast.RangeStmt
	var member reflect.StructField
	nullable := false
	inner := b
	for _, s := range b.List {
		switch s := s.(type) {
		case *ast.RangeStmt:
			array = s
		case *ast.AssignStmt:
			text := source(s.Rhs[0])
			if name, ok := strings.CutPrefix(strings.TrimPrefix(text, "&"), "s."); ok && source(s.Lhs[0]) == "v" {
				member, _ = typ.FieldByName(name)
			}
		case *ast.IfStmt:
			if s.Init != nil && strings.Contains(source(s.Init), "b.Int8()") {
				nullable, inner = true, s.Body
				for _, s := range s.Body.List {
					if a, ok := s.(*ast.AssignStmt); ok && source(a.Lhs[0]) == "v" {
						member, _ = typ.FieldByName(strings.TrimPrefix(source(a.Rhs[0]), "s."))
					}
				}
			}
		}
	}
	if member.Type == nil {
		return g.block(b.List, typ)
	}
	of := member.Type
	switch {
	case array != nil:
		elem := of.Elem()
		fields := g.block(array.Body.List, elem)
		require.NotEmpty(g.t, fields, "%s.%s", g.of, member.Name)
		return []string{fmt.Sprintf("[%d %s]", elem.Size(), strings.Join(fields, " "))}
	case nullable:
		of = of.Elem()
		return []string{fmt.Sprintf("?%d{%s}", of.Size(), strings.Join(g.block(inner.List, of), " "))}
	default:
		return []string{"{" + strings.Join(g.block(b.List, of), " ") + "}"}
	}
}

// tags turns the reading of a tag section into a field.
func (g *generator) tags(b *ast.BlockStmt, typ reflect.Type) string {
	loop, ok := b.List[0].(*ast.ForStmt)
	if !ok {
		require.Contains(g.t, source(b.List[0].(*ast.ExprStmt).X), "internalReadTags")
		return "#"
	}
	var known []string
	for _, s := range loop.Body.List[0].(*ast.SwitchStmt).Body.List {
		c := s.(*ast.CaseClause)
		if c.List == nil {
			continue // unknown tags
		}
		body := c.Body[1:] // after the reader of the tag's bytes
		fields := g.field(&ast.BlockStmt{List: body}, typ)
		known = append(known, fmt.Sprintf("%d=%s", number(c.List[0]), strings.Join(fields, " ")))
	}
	return "#(" + strings.Join(known, ";") + ")"
}

// read is the field that a statement reads, if it calls a reader.
func (g *generator) read(s ast.Stmt) (field string) {
	ast.Inspect(s, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := fixed[source(call.Fun)]; ok {
			field = f
		} else if name := source(call.Fun); strings.HasPrefix(name, "read") && name != "readArrayLen" {
			require.Fail(g.t, "unknown reader", "%s: %s", g.of, name)
		}
		return true
	})
	return field
}

func versions(cond ast.Expr) string {
	c := cond.(*ast.BinaryExpr)
	if c.Op == token.LAND {
		return fmt.Sprintf("%d-%d", number(c.X.(*ast.BinaryExpr).Y), number(c.Y.(*ast.BinaryExpr).Y))
	}
	return fmt.Sprintf("%d+", number(c.Y))
}

func number(e ast.Expr) int {
	n, err := strconv.Atoi(e.(*ast.BasicLit).Value)
	if err != nil {
		panic(err)
	}
	return n
}

// source is a short form of a node's source: enough to tell statements apart.
func source(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		return n.Name
	case *ast.BasicLit:
		return n.Value
	case *ast.SelectorExpr:
		return source(n.X) + "." + n.Sel.Name
	case *ast.CallExpr:
		var args []string
		for _, a := range n.Args {
			args = append(args, source(a))
		}
		return source(n.Fun) + "(" + strings.Join(args, ",") + ")"
	case *ast.BinaryExpr:
		return source(n.X) + " " + n.Op.String() + " " + source(n.Y)
	case *ast.UnaryExpr:
		return n.Op.String() + source(n.X)
	case *ast.StarExpr:
		return "*" + source(n.X)
	case *ast.IndexExpr:
		return source(n.X) + "[" + source(n.Index) + "]"
	case *ast.AssignStmt:
		return source(n.Lhs[0]) + n.Tok.String() + source(n.Rhs[0])
	case *ast.ParenExpr:
		return source(n.X)
	}
	return fmt.Sprintf("%T", n)
}
