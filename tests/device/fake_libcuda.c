/* A driver library without a device: memory of the host, kernels that are only counted, failures on request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
static int fail_status[8];                 /* 0 cuInit 1 alloc 2 module 3 launch 4 synchronize 5 count */
static long counts[8];                     /* 0 alloc 1 free 2 launch 3 trims 4 synchronize 5 events 6 threshold 7 set current */
static char last_ptx[65536];
static char launched[256];

void fake_fail(int which, int status) { fail_status[which] = status; }
long fake_count(int which) { return counts[which]; }
const char *fake_ptx(void) { return last_ptx; }
const char *fake_launched(void) { return launched; }

static CUresult take(int which) { int s = fail_status[which]; fail_status[which] = 0; return s; }

CUresult cuInit(unsigned f) { (void)f; return fail_status[0]; }
CUresult cuDriverGetVersion(int *v) { *v = 12040; return 0; }
CUresult cuDeviceGetCount(int *n) { *n = fail_status[5] ? 0 : 1; return 0; }
CUresult cuDeviceGet(int *d, int i) { *d = i; return 0; }
CUresult cuDeviceGetName(char *s, int n, int d) { (void)d; strncpy(s, "Fake GPU", n); return 0; }
CUresult cuDeviceGetAttribute(int *v, int a, int d) { (void)d; *v = a == 75 ? 9 : a == 76 ? 0 : a == 115 ? 1 : 7; return 0; }
CUresult cuDevicePrimaryCtxRetain(void **c, int d) { (void)d; *c = (void *)0x1234; return 0; }
CUresult cuCtxSetCurrent(void *c) { counts[7]++; return c == (void *)0x1234 ? 0 : 201; }
CUresult cuDeviceGetDefaultMemPool(void **p, int d) { (void)d; *p = (void *)0x77; return 0; }
CUresult cuMemPoolSetAttribute(void *p, int a, void *v) {
  if (p != (void *)0x77 || a != 4) return 1;
  counts[6] = *(uint64_t *)v == UINT64_MAX;
  return 0;
}
CUresult cuMemPoolTrimTo(void *p, size_t n) { counts[3]++; return p == (void *)0x77 && n == 0 ? 0 : 1; }
CUresult cuMemGetInfo_v2(size_t *f, size_t *t) { *f = 1000; *t = 5000000000; return 0; }
CUresult cuMemAllocAsync(uint64_t *p, size_t n, void *s) {
  int status = take(1);
  if (status || s) return status ? status : 1;
  if (n > ((size_t)1 << 40)) return 2;
  counts[0]++;
  *p = (uint64_t)malloc(n);
  return 0;
}
CUresult cuMemFreeAsync(uint64_t p, void *s) { counts[1]++; free((void *)p); return s ? 1 : 0; }
CUresult cuMemcpyDtoHAsync_v2(void *h, uint64_t d, size_t n, void *s) { memcpy(h, (void *)d, n); return s ? 1 : 0; }
CUresult cuMemcpyHtoDAsync_v2(uint64_t d, void *h, size_t n, void *s) { memcpy((void *)d, h, n); return s ? 1 : 0; }
CUresult cuMemcpyDtoDAsync_v2(uint64_t d, uint64_t e, size_t n, void *s) {
  memcpy((void *)d, (void *)e, n);
  return s ? 1 : 0;
}
CUresult cuMemsetD8Async(uint64_t d, unsigned char v, size_t n, void *s) { memset((void *)d, v, n); return s ? 1 : 0; }
CUresult cuStreamSynchronize(void *s) { counts[4]++; return s ? 1 : take(4); }
CUresult cuModuleLoadDataEx(void **m, const void *image, unsigned n, int *options, void **values) {
  int status = take(2);
  strncpy(last_ptx, image, sizeof last_ptx - 1);
  if (n != 2 || options[0] != 5 || options[1] != 6) return 1;
  if (status) {
    if ((uintptr_t)values[1] < 64) return 1;
    strcpy(values[0], "ptxas fatal: line 7");
    return status;
  }
  *m = strdup("module");
  return 0;
}
CUresult cuModuleGetFunction(void **f, void *m, const char *name) { *f = strdup(name); return m ? 0 : 1; }
CUresult cuModuleUnload(void *m) { free(m); return 0; }
CUresult cuEventCreate(void **e, unsigned f) { *e = malloc(8); counts[5]++; return f == 2 ? 0 : 1; }
CUresult cuEventRecord(void *e, void *s) { (void)e; (void)s; return 0; }
CUresult cuEventDestroy_v2(void *e) { free(e); counts[5]--; return 0; }
CUresult cuStreamWaitEvent(void *s, void *e, unsigned f) { (void)s; (void)e; (void)f; return 0; }
CUresult cuLaunchKernel(void *f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g, unsigned sh,
                        void *s, void **params, void **extra) {
  (void)a; (void)b; (void)c; (void)d; (void)e; (void)g; (void)sh; (void)params;
  counts[2]++;
  strncpy(launched, f, sizeof launched - 1);
  return s || extra ? 1 : take(3);
}
