/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object with thread-local data, for dlopen(). */
static _Thread_local int counter = 100;

int module_next(void)
{
	return ++counter;
}
