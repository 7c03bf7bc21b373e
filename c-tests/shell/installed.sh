# Sourced after tap.sh by the scripts that need the library as it is installed.

need timeout
prefix=$work/prefix
archives=$work/archives
install_into "$prefix"

# The same without the shared libraries: there is nothing but the archives to link with.
install_with install "$archives" '' >"$work/install.log" 2>&1 || {
	sed 's/^/# /' "$work/install.log"
	exit 1
}
rm "$archives"/lib/libdrpc-*.so*

# flags ABI LINKAGE: what pkg-config says, where only the one kind of library is.
flags() {
	case $2 in
	shared) pkg-config --cflags --libs "drpc-$1" libprotobuf-c ;;
	static) PKG_CONFIG_PATH=$archives/lib/pkgconfig \
		pkg-config --static --cflags --libs "drpc-$1" libprotobuf-c ;;
	esac
}
