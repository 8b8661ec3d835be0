# Names for the usual commands; the build itself is CMake's.
PREFIX = /usr
DESTDIR =
# Of `make auth`: a folder of certificates (certs/README.md; none: test keys), and where to.
CERTS =
OUT = build/auth
# How long to fuzz, and to soak.
SECONDS = 60
MINUTES = 60
# Of `make deploy`: a host that ssh reaches, `no` for one without XAPI, and anything for a look only.
HOST =
XAPI = yes
DRYRUN =
SSH = ssh
deploy = packaging/deploy --ssh "$(SSH)" $(if $(DRYRUN),--dry-run) $(if $(filter no,$(XAPI)),--no-xapi)

.PHONY: demo check bench used-calls docs format lint install auth fuzz fuzz-coverage soak fleet \
	package firmware firmware-twice firmware-package deploy deploy-revert

demo:
	./demo

check:
	./check

auth:
	tools/make_auth.sh "$(OUT)" $(if $(CERTS),"$(CERTS)")

bench:
	bench/run

fuzz:
	fuzz/run $(SECONDS)

fuzz-coverage:
	fuzz/coverage $(SECONDS)

soak:
	tests/load/run soak $(MINUTES)

fleet:
	tests/load/run fleet

docs:
	tools/site/build

used-calls:
	cmake --preset dev
	cmake --build --preset dev
	tests/sandbox/list_used_calls build/dev build/used-calls.txt

format:
	git ls-files -z '*.cc' '*.h' '*.c' | xargs -0 -r clang-format -i

lint:
	tools/lint
	cmake --preset clang
	cmake --build --preset clang
	run-clang-tidy -quiet -p build/clang -j $$(nproc)

install:
	cmake --preset release -D CMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release --target programs
	DESTDIR=$(DESTDIR) cmake --install build/release

firmware:
	firmware/build

firmware-twice:
	firmware/compare

firmware-package: firmware
	packaging/pack-firmware build/packages

package:
	packaging/make-packages

deploy:
	@[ -n "$(HOST)" ] || $(deploy)
	packaging/stage build/deploy
	$(deploy) "$(HOST)" build/deploy

deploy-revert:
	$(deploy) --revert "$(HOST)"
