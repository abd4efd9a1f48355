// What is counted, and what its values are called.

/** @typedef {'peak' | 'leaked' | 'total' | 'temporary'} Metric */
/** @typedef {'bytes' | 'allocations'} Measure */
/** @typedef {`${Metric}_${Measure}`} AmountName a column of amounts */
/** @typedef {'peak' | 'leaked' | 'total' | 'allocations' | 'temporary'} ValueId */

/** @type {Metric[]} */
export const METRICS = ['peak', 'leaked', 'total', 'temporary'];
/** @type {Measure[]} */
export const MEASURES = ['bytes', 'allocations'];

/**
 * What the values of a metric are.
 * @type {Record<Metric, string>}
 */
export const METRIC_LABELS = { peak: 'Peak', leaked: 'Leaked', total: 'Total', temporary: 'Temporary' };
/** @type {Record<Metric, string>} */
export const METRIC_NAMES = {
  peak: 'In memory at the peak',
  leaked: 'Leaked',
  total: 'Allocated in total',
  temporary: 'Temporary',
};

/**
 * The columns of values; `metric` and `measure` name the values of the model.
 * @type {{ id: ValueId, label: string, metric: Metric, measure: Measure, hint: string }[]}
 */
export const VALUE_COLUMNS = [
  { id: 'peak', label: 'Peak', metric: 'peak', measure: 'bytes', hint: 'In memory when the heap was largest' },
  { id: 'leaked', label: 'Leaked', metric: 'leaked', measure: 'bytes', hint: 'Not freed by the end' },
  { id: 'total', label: 'Total', metric: 'total', measure: 'bytes', hint: 'Allocated in total, freed or not' },
  { id: 'allocations', label: 'Allocations', metric: 'total', measure: 'allocations', hint: 'How often' },
  {
    id: 'temporary',
    label: 'Temporary',
    metric: 'temporary',
    measure: 'allocations',
    hint: 'Allocations that were freed almost at once',
  },
];
