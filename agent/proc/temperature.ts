import { listNames, readText } from './read.ts';

export interface Temperature {
  /** Chip and what it measures, e.g. `coretemp Package id 0`. */
  sensor: string;
  celsius: number;
  /** Set for a thermal zone, whose number it is. */
  zone?: string;
}

/** What sysfs tells, in thousandths of a degree; nothing in most virtual machines. */
export function readTemperatures(sys: string): Temperature[] {
  const found: Temperature[] = [];
  const add = (file: string, sensor: string, zone?: string) => {
    const text = readText(file).trim();
    const celsius = Number(text) / 1000;
    // Sensors that are switched off tell absurd values or none.
    if (text === '' || !Number.isFinite(celsius) || celsius < -100 || celsius > 250) return;
    found.push({ sensor, celsius, ...(zone === undefined ? {} : { zone }) });
  };
  const thermal = `${sys}/class/thermal`;
  for (const name of listNames(thermal)) {
    const zone = /^thermal_zone(\d+)$/.exec(name)?.[1];
    if (zone !== undefined)
      add(`${thermal}/${name}/temp`, readText(`${thermal}/${name}/type`).trim() || name, zone);
  }
  const hwmon = `${sys}/class/hwmon`;
  for (const name of listNames(hwmon)) {
    const chip = readText(`${hwmon}/${name}/name`).trim() || name;
    for (const file of listNames(`${hwmon}/${name}`)) {
      const input = /^(temp\d+)_input$/.exec(file)?.[1];
      if (input === undefined) continue;
      const label = readText(`${hwmon}/${name}/${input}_label`).trim() || input;
      add(`${hwmon}/${name}/${file}`, `${chip} ${label}`);
    }
  }
  return found;
}
