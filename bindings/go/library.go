// Checks that the loaded libbankhub fits the header that this package was built with.

package bankhub

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include "bankhub.h"

// Asks the loader, because the address of a function may be that of a stub in the program.
static const char *library_file(void) {
	Dl_info info;
	void *symbol = dlsym(RTLD_DEFAULT, "bankhub_abi_version");
	return symbol != NULL && dladdr(symbol, &info) != 0 ? info.dli_fname : "libbankhub";
}
*/
import "C"

import "fmt"

// checkLibrary refuses an older minor version, which has the same soname.
func checkLibrary() error {
	version := uint32(C.bankhub_abi_version())
	major, minor := version>>16, version&0xffff
	if major == C.BANKHUB_ABI_MAJOR && minor >= C.BANKHUB_ABI_MINOR {
		return nil
	}
	return &Error{Status: ErrInternal, Message: fmt.Sprintf(
		"libbankhub does not fit: %s has ABI %d.%d, this program needs %d.%d or a later %[4]d.x; install a newer libbankhub",
		C.GoString(C.library_file()), major, minor, C.BANKHUB_ABI_MAJOR, C.BANKHUB_ABI_MINOR)}
}
