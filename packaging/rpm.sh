#!/bin/sh
# Builds packages of RPM, and lets rpmlint look at them.
#
#   packaging/rpm.sh FOLDER
#
# FOLDER/source is what packaging/source.sh has made; the packages lie in FOLDER.
set -eu

# Options of the make that runs this are not for the packages.
unset MAKEFLAGS MFLAGS MAKELEVEL
cd "$1/source"
into=$(cd .. && pwd)
rm -rf ../*.rpm ../rpmbuild

# Where cargo comes from rustup, and where RPM is a guest, no package says what is there.
rpm -q --quiet --whatprovides cargo rust || unmet=--nodeps

# The date of the changelog in place of the clock's, and no name of this machine.
SOURCE_DATE_EPOCH=$(date -d "$(sed -n 's/^ -- .*>  //p' debian/changelog)" +%s)
export SOURCE_DATE_EPOCH
# RPM's script that compresses manual pages is one for bash, whichever shell it says it is for.
rpmbuild -bb --build-in-place ${unmet-} \
	--define "_topdir $into/rpmbuild" --define "_rpmdir $into" --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
	--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' --define '_buildhost libdrpc' \
	--define '__brp_compress bash %{_rpmconfigdir}/brp-compress %{?_prefix}' libdrpc.spec
rm -rf "$into/rpmbuild"
rpmlint -c packaging/rpmlint.toml libdrpc.spec ../*.rpm
