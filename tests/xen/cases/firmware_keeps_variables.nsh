@echo -off
fs0:
setvar Colour -guid 3d1a6b0e-5c1f-4f0b-9e61-0c3a7d552190
if %lasterror% eq 0x0 then
  goto SECOND
endif
echo FIRST BOOT
for %p in signed unsigned stranger revoked
  \programs\%p.efi
  echo %p.efi status %lasterror%
endfor
setvar Colour -guid 3d1a6b0e-5c1f-4f0b-9e61-0c3a7d552190 -nv -bs -rt =H626C7565
echo stored: %lasterror%
echo REBOOT
reset
:SECOND
echo SECOND BOOT
setvar Volatile -guid 3d1a6b0e-5c1f-4f0b-9e61-0c3a7d552190 -bs =H01
echo volatile: %lasterror%
dmpstore -guid 3d1a6b0e-5c1f-4f0b-9e61-0c3a7d552190
stall 10000000
echo GOODBYE
reset -s
