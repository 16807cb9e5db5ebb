// Whether the libbankhub that was loaded fits the header that this package was built against.

package bankhub

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include "bankhub.h"

// The loader is asked, because the address of a function may be that of the program's own stub for it.
static const char *library_file(void) {
	Dl_info info;
	void *symbol = dlsym(RTLD_DEFAULT, "bankhub_abi_version");
	return symbol != NULL && dladdr(symbol, &info) != 0 ? info.dli_fname : "libbankhub";
}
*/
import "C"

import "fmt"

// checkLibrary guards against what the soname leaves open: an older minor version.
func checkLibrary() error {
	version := uint32(C.bankhub_abi_version())
	major, minor := version>>16, version&0xffff
	if major == C.BANKHUB_ABI_MAJOR && minor >= C.BANKHUB_ABI_MINOR {
		return nil
	}
	return &Error{Status: ErrInternal, Message: fmt.Sprintf(
		"%s has ABI %d.%d; this program needs %d.%d or a later %[4]d.x",
		C.GoString(C.library_file()), major, minor, C.BANKHUB_ABI_MAJOR, C.BANKHUB_ABI_MINOR)}
}
