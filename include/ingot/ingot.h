/**
 * Everything public, in reading order.
 */
#ifndef INGOT_INGOT_H
#define INGOT_INGOT_H

#include <ingot/administrator.h>
#include <ingot/app.h>
#include <ingot/app_kv.h>
#include <ingot/app_null.h>
#include <ingot/app_signing.h>
#include <ingot/apps.h>
#include <ingot/bytes.h>
#include <ingot/crypto.h>
#include <ingot/error.h>
#include <ingot/limits.h>
#include <ingot/network.h>
#include <ingot/node.h>
#include <ingot/store.h>
#include <ingot/types.h>

#endif
