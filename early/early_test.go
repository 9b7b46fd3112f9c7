package early

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestAdvise: the pages that follow the anchor are there, or the kernel does not know the advice.
func TestAdvise(t *testing.T) {
	if advised == syscall.EINVAL {
		t.Skip("this kernel has no MADV_POPULATE_WRITE")
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	from := int64(uintptr(unsafe.Pointer(anchor)) / pageSize)
	var entries [16 * 8]byte
	if _, err := f.ReadAt(entries[:], from*8); err != nil {
		t.Fatal(err)
	}
	for i := range 16 { // the garbage collector of a test may have given back later ones
		if entries[i*8+7]&0x80 == 0 { // bit 63: the page is present
			t.Errorf("page %d after the anchor is not there", i)
		}
	}
}

// TestRunsEarly: a package that imports more would start late, and silently help nobody.
func TestRunsEarly(t *testing.T) {
	src, err := os.ReadFile("early.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(src), "import (")
	imports, _, _ := strings.Cut(rest, ")")
	for _, word := range strings.Fields(imports) {
		if name, _ := strconv.Unquote(word); name != "syscall" && name != "unsafe" {
			t.Errorf("early imports %s", name)
		}
	}
}
